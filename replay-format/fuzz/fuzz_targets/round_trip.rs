//! Whatever reads as events is, written again, the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replay_format::{HEADER_LEN, Log, Table, Writer};

fuzz_target!(|bytes: &[u8]| {
    for table in Table::ALL {
        let Ok(log) = Log::with_table(bytes, table) else {
            return;
        };
        let mut writer = Writer::with_table(Vec::new(), table).expect("memory");
        for record in log.events().map_while(Result::ok) {
            writer
                .event(&record.event)
                .expect("it was read by the same table");
        }
        assert_eq!(
            (writer.bytes(), writer.icount()),
            (log.end().offset, log.end().icount)
        );
        let end = log.end().offset as usize;
        assert_eq!(writer.into_inner()[HEADER_LEN..], bytes[HEADER_LEN..end]);
    }
});
