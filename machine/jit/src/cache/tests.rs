//! Tests of the code cache with an invented host: see [`super::toy`].

use super::toy::{GLUE, Toy};
use super::*;
use crate::none::Nothing;
use crate::tlb::{Space, Tlb};
use riscv_isa::Op;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

type Cache = CodeCache<Toy>;

/// Size of RAM in bytes. Virtual addresses equal RAM offsets. The toy's code never accesses RAM.
const RAM: u64 = 2 * PAGE;

fn jump(imm: i32) -> Insn {
    with(Op::Jal, imm)
}

fn with(op: Op, imm: i32) -> Insn {
    Insn {
        imm,
        ..Insn::new(op)
    }
}

fn add() -> Insn {
    Insn::new(Op::Addi)
}

/// An instruction that the toy leaves to the interpreter.
fn load() -> Insn {
    Insn::new(Op::Ld)
}

/// A TLB without entries.
static TLB: LazyLock<Box<Tlb>> = LazyLock::new(|| Tlb::new(0));

/// Calls `then` with the state of a hart at reset.
fn with_state<T>(then: impl FnOnce(&mut State<'_>) -> T) -> T {
    let space = Space::new(3);
    then(&mut State {
        x: &mut [0; 32],
        f: None,
        reservation: &mut None,
        tlb: &TLB,
        fetch: space,
        data: space,
        ram: &mut [],
        kick: &AtomicBool::new(false),
    })
}

fn run(cache: &mut Cache, pc: u64, left: u64) -> Option<Exit> {
    with_state(|state| cache.run(pc, pc, state, left))
}

fn host(cache: &Cache) -> &Toy {
    &cache.memory.as_ref().unwrap().host
}

/// Runs code. Returns the pc at its exit, and the executed instructions.
fn executed(cache: &mut Cache, pc: u64, left: u64) -> (Option<u64>, Vec<u64>) {
    host(cache).executed.borrow_mut().clear();
    let entered = host(cache).entered.get();
    let exit = run(cache, pc, left);
    let executed = host(cache).executed.borrow().clone();
    if let Some(exit) = exit {
        assert_eq!(exit.left, left - executed.len() as u64, "{exit:?}");
        assert_eq!(host(cache).entered.get(), entered + 1);
    }
    (exit.map(|exit| exit.pc), executed)
}

/// A cache with these blocks.
fn cache(blocks: &[(u64, &[Insn])]) -> Cache {
    let mut cache = Cache::new().unwrap();
    for (start, ops) in blocks {
        assert!(cache.translate(*start, ops));
    }
    cache
}

#[test]
fn a_host_without_a_back_end_has_no_code() {
    assert!(CodeCache::<Nothing>::new().is_none());
}

#[test]
fn a_block_begins_at_one_place() {
    let mut cache = cache(&[(8, &[add(), add(), jump(4096)])]);
    assert_eq!(executed(&mut cache, 8, 9), (Some(4112), vec![8, 12, 16]));
    for other in [0, 4, 6, 12, 4096 + 8] {
        assert_eq!(run(&mut cache, other, 9), None);
    }
    assert!(cache.clone().memory.is_none(), "a copy begins without code");
}

#[test]
fn nothing_to_gain_is_not_translated() {
    let mut cache = Cache::new().unwrap();
    assert!(!cache.translate(0, &[]));
    assert!(!cache.translate(0, &[Insn::new(Op::Ecall), add()]));
    assert_eq!(run(&mut cache, 0, 9), None);
}

#[test]
fn a_block_ends_behind_a_loop_and_at_its_longest() {
    let mut cache = cache(&[
        (0, &[add(), with(Op::Bne, -4), add(), jump(4096)]),
        (1024, &[add(); MAX_BYTES as usize]),
    ]);
    assert_eq!(executed(&mut cache, 0, 9), (Some(8), vec![0, 4]));
    let (pc, all) = executed(&mut cache, 1024, 1000);
    assert_eq!((pc, all.len()), (Some(1024 + 256), 64));
}

#[test]
fn jumps_on_a_page_are_linked_in_either_order() {
    let first: (u64, &[Insn]) = (0, &[add(), jump(96)]);
    let second: (u64, &[Insn]) = (100, &[add(), jump(4096)]);
    for blocks in [[first, second], [second, first]] {
        let mut cache = cache(&blocks);
        let all = vec![0, 4, 100, 104];
        assert_eq!(executed(&mut cache, 0, 9), (Some(4200), all));
        // There are no links across pages.
        assert!(cache.translate(4200, &[jump(0)]));
        assert_eq!(executed(&mut cache, 0, 9).0, Some(4200));
    }
}

#[test]
fn the_budget_is_kept_by_every_way_out() {
    let mut cache = cache(&[
        (0, &[add(), with(Op::Beq, 96), add(), add()]),
        (100, &[add(), with(Op::Beq, -104)]),
        (200, &[jump(0)]),
    ]);
    for left in 0..20 {
        let (pc, all) = executed(&mut cache, 0, left);
        // Whole rounds of 4 instructions. The rest is shorter than the next block.
        let (turns, over) = (left / 4, left % 4);
        assert_eq!(
            (pc, all.len() as u64),
            (Some(0), turns * 4),
            "{left}, {over} over"
        );
        assert_eq!(executed(&mut cache, 200, left).1.len() as u64, left);
    }
}

#[test]
fn dropped_code_is_not_reached() {
    let second: (u64, &[Insn]) = (100, &[add(), jump(4096)]);
    let mut cache = cache(&[(0, &[add(), jump(96)]), second, (200, &[jump(0)])]);
    for beside in [(96, 4), (108, 92), (204, 4000), (300, u64::MAX)] {
        assert!(!cache.invalidate(beside.0, beside.1), "{beside:?}");
    }
    for (at, len) in [(100, 1), (107, 1), (90, 11), (104, 8)] {
        assert!(cache.invalidate(at, len), "{at}, {len}");
        assert!(!cache.invalidate(at, len), "it is gone");
        assert_eq!(run(&mut cache, 100, 9), None);
        assert_eq!(executed(&mut cache, 0, 9), (Some(100), vec![0, 4]));
        assert!(cache.translate(second.0, second.1));
        assert_eq!(executed(&mut cache, 0, 9).0, Some(4200));
    }
    // A block that jumps to itself, and a block whose code has changed.
    assert!(cache.invalidate(200, 4));
    assert_eq!(run(&mut cache, 200, 9), None);
    assert!(cache.translate(200, &[add(), jump(4096)]));
    assert_eq!(executed(&mut cache, 200, 9), (Some(4300), vec![200, 204]));
}

#[test]
fn a_slot_belongs_to_one_block() {
    let far = SLOTS as u64 * 2;
    let ops = [add(), jump(4096)];
    let mut cache = cache(&[(8, &ops), (8 + far, &ops)]);
    assert_eq!(run(&mut cache, 8, 9), None, "another block took its slot");
    assert!(run(&mut cache, 8 + far, 9).is_some());
    let used = cache.memory.as_ref().unwrap().arena.used();
    assert!(cache.translate(8, &ops));
    assert_eq!(cache.memory.as_ref().unwrap().arena.used(), used);
    assert!(run(&mut cache, 8, 9).is_some());
    // A dropped block must not clear the entry of another block.
    assert!(cache.invalidate(8 + far, 1));
    assert!(run(&mut cache, 8, 9).is_some());
}

#[test]
fn left_code_resumes_until_it_is_dropped() {
    let ops = [add(), load(), add(), jump(4096)];
    let drops: [fn(&mut Cache); 3] = [
        |_| {},
        |cache| assert!(cache.invalidate(512, 1)),
        |cache| cache.clear(),
    ];
    for (number, drop) in drops.iter().enumerate() {
        let mut cache = cache(&[(0, &ops), (512, &ops)]);
        let exit = run(&mut cache, 0, 9).unwrap();
        let Next::Interpret(insn, resume) = exit.next else {
            panic!("{exit:?}");
        };
        assert_eq!((insn, exit.pc, exit.left), (load(), 4, 8));
        drop(&mut cache);
        // The budget must suffice for the rest of the block.
        assert_eq!(with_state(|state| cache.resume(resume, 8, state, 1)), None);
        let again = with_state(|state| cache.resume(resume, 8, state, 7));
        let at_end = again.map(|exit| (exit.pc, exit.left, exit.next));
        let expected = Some((4108, 5, Next::Go)).filter(|_| number == 0);
        assert_eq!(at_end, expected, "{number}");
    }
}

#[test]
fn a_full_arena_is_emptied() {
    let mut cache = Cache::new().unwrap();
    let mut emptied = 0;
    for place in 0..2000 {
        let generation = cache.generation;
        assert!(cache.translate(place * 4, &[add(), jump(4096)]));
        emptied += cache.generation - generation;
        assert!(run(&mut cache, place * 4, 9).is_some());
    }
    assert!((2..100).contains(&emptied), "{emptied} times");
    let glue = cache.memory.as_ref().unwrap().arena.written(0, 4);
    assert_eq!(glue, GLUE.to_le_bytes(), "what all blocks share stays");
    assert!(run(&mut cache, 0, 9).is_none());
}

/// A guest that modifies its code. It takes the same path with translated blocks as one instruction
/// at a time.
#[test]
fn self_modifying_code_is_followed() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut cache = Cache::new().unwrap();
    let mut ram: Vec<Insn> = (0..RAM / 4).map(|at| random.insn(at * 4)).collect();
    let (mut translated, mut dropped) = (0, 0);
    for _ in 0..20_000 {
        let pc = random.below(RAM / 4) * 4;
        match random.below(4) {
            0 => {
                ram[pc as usize / 4] = random.insn(pc);
                dropped += u32::from(cache.invalidate(pc, 4));
            }
            1 => {
                let translated = cache.translate(pc, straight(&ram, pc, random.below(80)));
                assert_eq!(translated, ram[pc as usize / 4].op != Op::Ecall);
            }
            _ => {
                let left = random.below(300);
                let (way, by_code) = way(&mut cache, &ram, pc, left);
                assert_eq!(way, singly(&ram, pc, left));
                translated += by_code;
            }
        }
    }
    assert!(
        translated > 100_000 && dropped > 100,
        "{translated}, {dropped}"
    );
    assert!(
        cache.generation > u64::from(dropped),
        "the arena was full at times"
    );
}

/// The instructions that the machine would translate from `pc` on: to the end of the page or of the
/// straight line, at most `len`.
fn straight(ram: &[Insn], pc: u64, len: u64) -> &[Insn] {
    let on_page = (PAGE - pc % PAGE) / 4;
    let ops = &ram[pc as usize / 4..][..on_page.min(len + 1) as usize];
    let ends = |insn: &Insn| matches!(insn.op, Op::Jal | Op::Ecall);
    let len = ops.iter().position(ends).map_or(ops.len(), |at| at + 1);
    &ops[..len]
}

/// The path of the guest by the toy's rules.
fn singly(ram: &[Insn], mut pc: u64, left: u64) -> Vec<u64> {
    let mut way = Vec::new();
    for _ in 0..left {
        way.push(pc);
        pc = next(&ram[pc as usize / 4], pc);
    }
    way.push(pc);
    way
}

fn next(insn: &Insn, pc: u64) -> u64 {
    match insn.op {
        Op::Jal | Op::Beq => pc.wrapping_add_signed(insn.imm.into()),
        _ => pc + 4,
    }
}

/// The path of the guest with code where it exists. Returns it with the number of instructions that
/// code executed.
fn way(cache: &mut Cache, ram: &[Insn], mut pc: u64, mut left: u64) -> (Vec<u64>, usize) {
    let (mut way, mut by_code) = (Vec::new(), 0);
    let mut resume = None;
    while left > 0 {
        let exit = with_state(|state| match resume.take() {
            Some(resume) => cache.resume(resume, pc, state, left),
            None => cache.run(pc, pc, state, left),
        });
        if let Some(memory) = &cache.memory {
            let executed = memory.host.executed.take();
            by_code += executed.len();
            way.extend(executed);
        }
        let before = left;
        if let Some(exit) = exit {
            (pc, left) = (exit.pc, exit.left);
            if let Next::Interpret(insn, behind) = exit.next {
                assert_eq!(insn, ram[pc as usize / 4]);
                resume = Some(behind);
            } else if left < before {
                continue;
            }
        }
        way.push(pc);
        pc = next(&ram[pc as usize / 4], pc);
        left -= 1;
    }
    way.push(pc);
    (way, by_code)
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % end
    }

    /// A random instruction. Jumps stay on the page, and the last instruction does not leave RAM.
    fn insn(&mut self, at: u64) -> Insn {
        let near = self.below(PAGE / 4) as i32 * 4 - (at % PAGE) as i32;
        match self.below(12) {
            _ if at + 4 == RAM => jump(near),
            0 => jump(near),
            1 => with(Op::Beq, near),
            2 => with(Op::Bne, near),
            3 => load(),
            4 => Insn::new(Op::Ecall),
            _ => add(),
        }
    }
}
