//! Throughput in bytes of log: `cargo bench -p replay-format`.
//!
//! `mix` is what a machine that is busy with timers, serial output and a disk writes (about 6 bytes
//! an event); `linux` is a real log of QEMU's, repeated. The aim is over 1 GB/s for `summary` and
//! `parse`.
#![allow(
    clippy::expect_used,
    reason = "a benchmark may stop at a broken sample"
)]
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use replay_format::diff::Diff;
use replay_format::{Index, Log, Table, Writer};

#[path = "../../tests/support/mix.rs"]
mod mix;
use mix::{linux, mix, repeat, write};

/// The log repeated.
fn repeated(log: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + log.len());
    repeat(log, len, &mut out).expect("memory");
    out
}

fn bench(c: &mut Criterion) {
    let events = mix(2_000_000);
    let linux = repeated(&linux(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), 1 << 24);
    let logs = [("mix", write(Table::RR, &events)), ("linux", linux)];
    for (name, bytes) in &logs {
        let log = Log::parse(bytes).expect("a good log");
        assert!(log.error().is_none());
        println!("{name}: {} bytes, {} events", bytes.len(), log.end().index);
        let mut group = c.benchmark_group(*name);
        group
            .throughput(Throughput::Bytes(bytes.len() as u64))
            .sample_size(10);
        group.bench_function("summary", |b| b.iter(|| Log::parse(black_box(bytes))));
        group.bench_function("events", |b| {
            b.iter(|| {
                log.events()
                    .flatten()
                    .map(|r| r.icount ^ u64::from(r.len))
                    .max()
            })
        });
        group.bench_function("index", |b| b.iter(|| Index::build(black_box(&log), 4096)));
        group.bench_function("rewrite", |b| {
            b.iter(|| {
                let sink = Vec::with_capacity(bytes.len());
                let mut writer = Writer::with_table(sink, log.table()).expect("memory");
                for record in log.events() {
                    let record = record.expect("a good log");
                    writer.event(&record.event).expect("the same table");
                }
                writer.bytes()
            });
        });
        group.finish();
    }
    let mut group = c.benchmark_group("mix");
    group
        .throughput(Throughput::Bytes(logs[0].1.len() as u64))
        .sample_size(10);
    group.bench_function("write", |b| {
        b.iter(|| write(Table::RR, black_box(&events)).len())
    });
    group.finish();
}

/// A log of over 1 GB, as `rr inspect` maps it and walks it; and places in it, by its index.
fn large(c: &mut Criterion) {
    let once = write(Table::RR, &mix(2_000_000));
    let bytes = repeated(&once, 1_000_000_000);
    let log = Log::parse(&bytes).expect("a good log");
    println!("large: {} bytes, {} events", bytes.len(), log.end().index);
    let mut group = c.benchmark_group("large");
    group
        .throughput(Throughput::Bytes(bytes.len() as u64))
        .sample_size(10);
    group.bench_function("inspect", |b| b.iter(|| Log::parse(black_box(&bytes))));
    group.bench_function("same", |b| {
        b.iter(|| Diff::new(black_box(&log), black_box(&log)).count())
    });
    group.bench_function("index", |b| {
        b.iter(|| Index::build(black_box(&log), 65_536))
    });
    group.finish();
    let index = Index::build(&log, 65_536);
    let mut random = 1u64;
    c.bench_function("large/seek", |b| {
        b.iter(|| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let icount = ((u128::from(random) * u128::from(log.end().icount)) >> 64) as u64;
            index.at_icount(&log, icount).expect("its index")
        });
    });
}

criterion_group!(benches, bench, large);
criterion_main!(benches);
