//! Tests of random drivers: nothing panics, every call returns, all state is in the saved fields,
//! and memory outside the buffers does not change.

use super::super::testing::{BUFFERS, Bench, RAM, RAM_BASE, SIZE, available, descriptors, used};
use super::*;
use crate::inputs::{Arrival, BlockOp, BlockResult};
use proptest::prelude::*;

/// One action of the driver or of the outside.
#[derive(Debug, Clone)]
enum Step {
    Read(u64, u8),
    Write(u64, u8, u64),
    Start(u64),
    Describe(usize, u16, u64, u32, u16, u16),
    Offer(usize, Vec<(u64, u32, u16)>),
    Publish(usize, u16),
    Poke(u64, u8),
    Notify(usize),
    Arrive(Vec<u8>),
    /// Completes the oldest request; false: with an error.
    Complete(bool),
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..0x3_0000u64).prop_map(|at| BUFFERS + at),
        1 => (0..RAM).prop_map(|at| RAM_BASE + at),
        1 => any::<u64>(),
    ]
}

fn len() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => Just(16u32), 3 => Just(1), 3 => Just(512), 2 => 0..2000u32,
        1 => (0..100u32).prop_map(|n| n * 16), 1 => any::<u32>(),
    ]
}

fn flags() -> impl Strategy<Value = u16> {
    prop_oneof![4 => Just(0u16), 4 => Just(2), 1 => 0..8u16, 1 => any::<u16>()]
}

fn step() -> impl Strategy<Value = Step> {
    let queue = || 0..2usize;
    let size = || prop_oneof![4 => Just(4u8), 1 => prop_oneof![Just(1u8), Just(2), Just(8)]];
    let offset = || prop_oneof![8 => (0..0x50u64).prop_map(|n| n * 4), 1 => 0..0x210u64];
    let value = prop_oneof![4 => 0..16u64, 1 => any::<u64>()];
    let buffers = prop::collection::vec((address(), len(), flags()), 1..5);
    let poke = prop_oneof![
        (0..2usize, 0..0x200u64).prop_map(|(q, at)| descriptors(q) + at),
        (0..2usize, 0..0x20u64).prop_map(|(q, at)| available(q) + at),
        (0..2usize, 0..0x60u64).prop_map(|(q, at)| used(q) + at),
        (0..64u64).prop_map(|at| BUFFERS + at),
    ];
    let index = || prop_oneof![8 => 0..SIZE, 1 => any::<u16>()];
    prop_oneof![
        1 => (offset(), size()).prop_map(|(o, s)| Step::Read(o, s)),
        1 => (offset(), size(), value).prop_map(|(o, s, v)| Step::Write(o, s, v)),
        2 => prop_oneof![Just(0u64), Just(3 << 28), Just(3 << 28 | 1 << 15)].prop_map(Step::Start),
        2 => (queue(), index(), address(), len(), flags(), index())
            .prop_map(|(q, i, a, l, f, n)| Step::Describe(q, i, a, l, f, n)),
        8 => (queue(), buffers).prop_map(|(q, b)| Step::Offer(q, b)),
        1 => (queue(), index()).prop_map(|(q, h)| Step::Publish(q, h)),
        2 => (poke, any::<u8>()).prop_map(|(a, b)| Step::Poke(a, b)),
        6 => queue().prop_map(Step::Notify),
        2 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Step::Arrive),
        2 => any::<bool>().prop_map(Step::Complete),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60).prop_map(|mut steps| {
        steps.insert(0, Step::Start(3 << 28));
        steps
    })
}

fn play(bench: &mut Bench, step: &Step) {
    match step {
        Step::Read(offset, size) => {
            let _ = bench.dev.read(*offset, *size);
        }
        Step::Write(offset, size, value) => {
            let _ = bench.try_write(*offset, *size, *value);
        }
        Step::Start(features) => {
            let offered = bench.dev.offered();
            bench.start(features & offered);
        }
        Step::Describe(queue, index, address, len, flags, next) => {
            let at = descriptors(*queue) + 16 * u64::from(index % SIZE);
            bench.describe(at, *address, *len, *flags, *next);
        }
        Step::Offer(queue, buffers) => {
            bench.offer(*queue, buffers);
        }
        Step::Publish(queue, head) => bench.publish(*queue, *head),
        Step::Poke(address, byte) => bench.put(*address, &[*byte]),
        Step::Notify(queue) => bench.notify(*queue),
        Step::Arrive(data) => {
            let (port, adapter, data) = (1, 1, data.clone());
            let Bench { dev, ram, .. } = bench;
            let frame = Arrival::Frame {
                adapter,
                data: data.clone(),
            };
            dev.arrive(&frame, ram);
            dev.arrive(&Arrival::Serial { port, data }, ram);
        }
        Step::Complete(good) => {
            let oldest = (!bench.outside.blocks.is_empty()).then(|| bench.outside.blocks.remove(0));
            let Some(request) = oldest else {
                return;
            };
            let result = match request.op {
                _ if !good => BlockResult::Error,
                BlockOp::Read { len, .. } => BlockResult::Done(vec![0x5a; len as usize]),
                _ => BlockResult::Done(Vec::new()),
            };
            bench.complete(request.id, result);
        }
    }
    bench.tick();
}

/// Runs the steps on two devices. One is saved and restored before each step; they must stay equal.
fn exercise(config: &VirtioConfig, steps: &[Step]) {
    let mut original = Bench::new(config);
    let mut twin = original.clone();
    for step in steps {
        let saved = postcard::to_stdvec(&twin.dev).unwrap();
        twin.dev = postcard::from_bytes(&saved).unwrap();
        play(&mut original, step);
        play(&mut twin, step);
        assert_eq!(original.dev, twin.dev, "{step:?}");
        assert_eq!(original.ram.digest(), twin.ram.digest(), "{step:?}");
        assert_eq!(original.outside, twin.outside, "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn block(steps in steps()) {
        exercise(&disk(), &steps);
    }

    #[test]
    fn network(steps in steps()) {
        exercise(&net(), &steps);
    }

    #[test]
    fn entropy(steps in steps()) {
        exercise(&rng(), &steps);
    }

    #[test]
    fn port(steps in steps()) {
        exercise(&console(), &steps);
    }

    /// Chains without device-writable buffers: only the used rings change.
    #[test]
    fn memory_that_is_not_offered_stays(
        steps in steps(),
        config in prop_oneof![Just(disk()), Just(net()), Just(rng()), Just(console())],
    ) {
        let mut bench = Bench::new(&config);
        for step in &steps {
            let step = match step.clone() {
                Step::Write(offset, ..) if offset >= 0x80 || offset == 0x44 => continue,
                Step::Describe(queue, index, address, len, _, next) => {
                    Step::Describe(queue, index, address, len, 0, next)
                }
                Step::Offer(queue, mut buffers) => {
                    for buffer in &mut buffers {
                        buffer.2 = 0;
                    }
                    Step::Offer(queue, buffers)
                }
                Step::Poke(..) => continue,
                step => step,
            };
            let before = bench.clone();
            play(&mut bench, &step);
            if matches!(step, Step::Notify(_) | Step::Arrive(_) | Step::Complete(_)) {
                let mut expected = before.ram;
                for queue in 0..2 {
                    let ring = bench.bytes(used(queue), 4 + 8 * usize::from(SIZE) + 2).to_vec();
                    expected.write(used(queue) - RAM_BASE, &ring);
                }
                prop_assert_eq!(expected.digest(), bench.ram.digest(), "{:?}", step);
            }
        }
    }
}
