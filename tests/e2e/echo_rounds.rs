//! A hundred rounds of `echo`: the input comes in pieces of random size at random times, while the
//! host is kept busy. Every byte comes back, and the replay is the same.
//!
//! `RR_ECHO_ROUNDS` sets the number of rounds, and `RR_ECHO_SEED` the seed of the random numbers.

use crate::harness::{Dir, sample};
use crate::serial::totals;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A linear congruential generator (multiplier and increment are Knuth's, of MMIX). It is good
/// enough for timing, and the same on every host.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Lines of printable bytes. `quit` comes last, and is no other line.
fn input(random: &mut Random) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..1 + random.below(60) {
        match random.below(8) {
            0 => input.extend(b"time"),
            1 => {}
            _ => {
                input.push(b'>');
                input.extend((0..random.below(120)).map(|_| b' ' + random.below(95) as u8));
            }
        }
        let end: &[u8] = if random.below(4) == 0 { b"\r\n" } else { b"\n" };
        input.extend(end);
    }
    input.extend(b"quit\n");
    input
}

fn round(seed: u64) {
    let mut random = Random(seed);
    let dir = Dir::new();
    let input = input(&mut random);
    let icount = ["shift=0", "shift=2", "shift=2,sleep=off", "shift=6"][random.below(4) as usize];
    let kernel = sample("echo");
    let args = [
        "record", "-o", "rec.rr", "--kernel", &kernel, "--icount", icount,
    ];
    let mut running = dir.start(&[&args[..], &["--digest-every", "50000"]].concat());
    let mut pipe = running.child.stdin.take().unwrap();
    let mut rest = &input[..];
    while !rest.is_empty() {
        let most = [3, 20, 700][random.below(3) as usize].min(rest.len() as u64);
        let (piece, after) = rest.split_at(1 + random.below(most) as usize);
        pipe.write_all(piece).unwrap();
        rest = after;
        if random.below(3) == 0 {
            std::thread::sleep(Duration::from_micros(random.below(3000)));
        }
    }
    drop(pipe);
    let recorded = running.ran().code(0);
    assert!(
        recorded.text().ends_with(&totals(&input)),
        "a byte is lost: {}",
        recorded.text()
    );
    let replayed = dir.rr(&["replay", "rec.rr"]).code(0);
    assert_eq!(replayed.out, recorded.out);
    assert_eq!(replayed.icount(), recorded.icount());
}

#[test]
fn echo_under_random_timing() {
    let (rounds, seed) = (variable("RR_ECHO_ROUNDS", 100), variable("RR_ECHO_SEED", 1));
    let (next, failed, done) = (
        AtomicU64::new(0),
        AtomicBool::new(false),
        AtomicBool::new(false),
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let workers = [(); 2].map(|()| {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds {
                        break;
                    }
                    let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
                    let ended = std::panic::catch_unwind(|| round(seed));
                    if ended.is_err() {
                        eprintln!("round {number}: its seed is {seed}");
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            })
        });
        for worker in workers {
            let _ = worker.join();
        }
        done.store(true, Ordering::Relaxed);
    });
    let rounds = next.load(Ordering::Relaxed);
    assert!(
        !failed.load(Ordering::Relaxed),
        "failed in round {rounds} or before; RR_ECHO_SEED={seed}"
    );
}
