//! Any bytes, by any table: the repaired log is whole, has the events that could be read, and
//! nothing is left to repair.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replay_format::Table;
use replay_format::{Completeness, Event, Log, Record, Salvage};

fn write(salvage: &Salvage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = salvage.write(&mut bytes).expect("memory");
    assert_eq!(len, bytes.len() as u64);
    bytes
}

fn events<'a>(log: &Log<'a>) -> Vec<Record<'a>> {
    log.events().map_while(Result::ok).collect()
}

fn check(bytes: &[u8], salvage: &Salvage<'_>) {
    let repaired = write(salvage);
    let log = Log::with_table(&repaired, salvage.table()).expect("a log");
    assert_eq!(log.completeness(), Completeness::Complete);
    assert_eq!(log.end().icount, salvage.end().icount);
    let saved = Log::with_table(bytes, salvage.table());
    let saved = saved.map_or(Vec::new(), |log| events(&log));
    assert_eq!(saved.len() as u64, salvage.end().index);
    let mut found = events(&log);
    if found.len() > saved.len() {
        assert_eq!(found.pop().map(|last| last.event), Some(Event::End));
    }
    assert_eq!(found, saved);

    let parsed = Log::parse(&repaired).expect("a version of the format");
    assert_eq!(parsed.completeness(), Completeness::Complete);
    for again in [
        Salvage::of(&repaired).expect("a log"),
        Salvage::with_table(&repaired, salvage.table()).expect("a log"),
    ] {
        assert!(again.was_whole());
        assert_eq!(write(&again), repaired);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let found = Salvage::of(bytes).into_iter();
    let by_table = Table::ALL
        .iter()
        .filter_map(|table| Salvage::with_table(bytes, table).ok());
    found
        .chain(by_table)
        .for_each(|salvage| check(bytes, &salvage));
});
