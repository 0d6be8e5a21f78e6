//! Any bytes, by any table: no panic, no more events than bytes, and the fast walk agrees with
//! decoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replay_format::{Index, Log, Table};

fuzz_target!(|bytes: &[u8]| {
    let _ = Log::parse(bytes);
    for table in Table::ALL {
        let Ok(log) = Log::with_table(bytes, table) else {
            return;
        };
        let mut events = log.events();
        let mut count = 0;
        let error = events
            .by_ref()
            .inspect(|_| count += 1)
            .find_map(Result::err);
        assert!(count <= bytes.len());
        assert_eq!(error.as_ref(), log.error());
        assert_eq!(events.position(), log.end());
        assert_eq!(Index::build(&log, 2).end, log.end());
    }
});
