//! Benchmarks of the operations with the fast path (mode RNE, NX set) and without it (NX clear).
#![allow(missing_docs, reason = "criterion's macros define undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use softfloat::{Flags, Round};

macro_rules! bench_format {
    ($c:ident, $float:ident, $a:expr, $b:expr, $d:expr) => {
        let (a, b, d) = ($a.to_bits(), $b.to_bits(), $d.to_bits());
        for (path, flags) in [("host", Flags::INEXACT), ("software", Flags::NONE)] {
            let mut group = $c.benchmark_group(format!("{}/{path}", stringify!($float)));
            let rm = Round::NearestEven;
            group.bench_function("add", |g| {
                g.iter(|| {
                    softfloat::$float::add(black_box(a), black_box(b), rm, &mut flags.clone())
                })
            });
            group.bench_function("mul", |g| {
                g.iter(|| {
                    softfloat::$float::mul(black_box(a), black_box(b), rm, &mut flags.clone())
                })
            });
            group.bench_function("div", |g| {
                g.iter(|| {
                    softfloat::$float::div(black_box(a), black_box(b), rm, &mut flags.clone())
                })
            });
            group.bench_function("sqrt", |g| {
                g.iter(|| softfloat::$float::sqrt(black_box(a), rm, &mut flags.clone()))
            });
            group.bench_function("fma", |g| {
                g.iter(|| {
                    let (a, b, d) = (black_box(a), black_box(b), black_box(d));
                    softfloat::$float::fma(a, b, d, rm, &mut flags.clone())
                })
            });
            group.finish();
        }
    };
}

fn operations(c: &mut Criterion) {
    bench_format!(c, f32, 1.1f32, 3.3f32, -2.7f32);
    bench_format!(c, f64, 1.1f64, 3.3f64, -2.7f64);
}

criterion_group!(benches, operations);
criterion_main!(benches);
