//! Shared by the tests: the sample logs.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::Read;
use std::path::Path;

/// Every log in `samples/logs`, unpacked, with its name, in the order of the names.
pub(crate) fn samples() -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/logs");
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(&dir).expect("samples/logs is there") {
        let path = entry.expect("it can be listed").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let packed = std::fs::read(&path).expect("it can be read");
        let mut bytes = Vec::new();
        match path.extension().and_then(|e| e.to_str()) {
            Some("bin") => bytes = packed,
            Some("gz") => {
                flate2::read::GzDecoder::new(&packed[..])
                    .read_to_end(&mut bytes)
                    .expect("gzip");
            }
            _ => continue,
        }
        logs.push((name, bytes));
    }
    logs.sort();
    assert!(
        logs.len() >= 8,
        "only {} samples in {}",
        logs.len(),
        dir.display()
    );
    logs
}

/// Small pseudo-random numbers for choosing offsets; the same in each run.
pub(crate) struct Picks(pub(crate) u64);

impl Picks {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
