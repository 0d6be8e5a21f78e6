//! Prints the difference of two logs for programs. The schema is in `rr diff --help`.

use std::io::{self, Write};

use replay_format::diff::Edit;
use replay_format::{Completeness, Log};
use rr::analysis::bisect::{Bisection, FirstDifference};
use serde_json::{Map, Value, json};

use crate::diff::bisect::ended;
use crate::diff::hunk::Compared;
use crate::diff::text::rows;
use crate::events;
use crate::output::report;

/// Prints the difference as one JSON object.
pub(crate) fn print(compared: &Compared<'_, '_>, out: &mut dyn Write) -> io::Result<()> {
    let tally = &compared.tally;
    let kinds: Map<String, Value> = rows(compared)
        .map(|row| {
            let counts = json!({
                "first": row.first,
                "second": row.second,
                "only_first": row.only_first,
                "only_second": row.only_second,
            });
            (row.name.to_owned(), counts)
        })
        .collect();
    let [first, second] = [0, 1].map(|i| about(&compared.names[i], compared.logs[i]));
    let part = match tally.part {
        Some(icount) => json!({ "icount": icount, "hunk": hunk(compared)? }),
        None => Value::Null,
    };
    let recorded = compared.recorded.as_ref();
    let mut object = json!({
        "schema": 1,
        "same": compared.is_same(),
        "first": first,
        "second": second,
        "both": tally.both(),
        "only_first": tally.first(),
        "only_second": tally.second(),
        "places": tally.places,
        "part": part,
        "meet": tally.meet.map(|icount| json!({ "icount": icount, "events": tally.tail })),
        "kinds": kinds,
        "settings": recorded.map(|recorded| &recorded.settings),
        "digests": recorded.map(|recorded| recorded.digests),
        "hunt": match recorded.and_then(|recorded| recorded.bisection.as_ref()) {
            Some(bisection) => self::bisection(bisection)?,
            None => Value::Null,
        },
    });
    if recorded.is_some() {
        object["unchecked"] = compared.one_ended().into();
    }
    write!(out, "{}", report::json(&object)?)?;
    writeln!(out)
}

/// The result of a bisection.
pub(crate) fn bisection(bisection: &Bisection<'_>) -> io::Result<Value> {
    let part = |at: &Option<FirstDifference<'_>>| at.as_ref().map(difference).transpose();
    Ok(json!({
        "parting": part(&bisection.difference)?,
        "noticed": part(&bisection.guest_difference)?,
        "same_at": bisection.same_at,
        "closely": bisection.closely,
        "compared": bisection.compared,
        "restarts": bisection.restarts,
        "replayed": bisection.replayed,
    }))
}

fn difference(at: &FirstDifference<'_>) -> io::Result<Value> {
    let inputs = at.inputs.iter();
    let inputs = inputs.map(|input| input.as_ref().map(events::json::value).transpose());
    Ok(json!({
        "icount": at.icount,
        "hart": at.hart,
        "pc": at.pc,
        "symbol": at.symbol,
        "source": at.source,
        "listing": at.listing,
        "interrupted": at.interrupted,
        "ended": at.endings.each_ref().map(|ending| ending.as_ref().map(ended)),
        "inputs": inputs.collect::<io::Result<Vec<_>>>()?,
        "registers": at.registers,
        "devices": at.devices,
        "memory": at.memory,
        "memory_more": at.memory_more,
    }))
}

fn about(name: &str, log: &Log<'_>) -> Value {
    json!({
        "file": name,
        "table": log.table().key(),
        "status": match log.completeness() {
            Completeness::Complete => "complete",
            Completeness::Truncated { .. } => "truncated",
            Completeness::Damaged { .. } => "damaged",
        },
        "events": log.end().index,
        "instructions": log.end().icount,
    })
}

fn hunk(compared: &Compared<'_, '_>) -> io::Result<Vec<Value>> {
    let edits = compared.hunk.edits.iter();
    let value = |edit: &Edit<'_>| {
        let (whose, record) = match edit {
            Edit::Both(record, _) => ("both", record),
            Edit::First(record) => ("first", record),
            Edit::Second(record) => ("second", record),
        };
        Ok(json!({ "in": whose, "event": events::json::value(record)? }))
    };
    edits.map(value).collect()
}
