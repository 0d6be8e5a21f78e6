//! The rows of a plot, from top to bottom.

use replay_format::Kind;

use super::columns::Column;
use super::gather::Plot;
use super::words::{roughly, time};
use crate::export::tracks::{IDLE, TRACKS, short, track};
use crate::output::outcome::thousands;

/// Colours of the tracks, in their order. They are readable on white and on near black.
const COLOURS: [&str; 10] = [
    "#d1495b", "#8a8f98", "#2a8f5b", "#b7791f", "#3b7dd8", "#8e5bd0", "#c2529b", "#0f8f9c",
    "#6b7c93", "#d9622b",
];
const EXECUTING: &str = "#2f6fd0";
const OTHER: &str = "#7a8594";

/// Height of a row.
const HIGH: f64 = 24.0;
const LOW: f64 = 14.0;
/// A row has few events below this number, and is lower.
const FEW: u64 = 10;

/// A row of bars.
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) colour: &'static str,
    pub(super) height: f64,
    pub(super) total: String,
    /// An explanation of the name and the total, if they need one.
    pub(super) about: &'static str,
    /// Heights of the bars, from 0 to 1.
    pub(super) bars: Vec<f64>,
    /// True if a gap separates the row from the one above.
    pub(super) apart: bool,
}

/// Speed, time, bytes of log, then the events by kind, in the order of their tracks.
pub(super) fn lanes(plot: &Plot) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = speed(plot).into_iter().collect();
    if plot.timed {
        let lane = |name: &str, colour, part: fn(&Column) -> u64, about| Lane {
            name: name.to_owned(),
            colour,
            height: HIGH,
            total: time(sum(plot, &part) as f64),
            about,
            bars: bars(plot, |column| part(column) as f64 / plot.width as f64),
            apart: false,
        };
        let executing = "the share of virtual time in which a hart executes";
        let idle = "the share of virtual time in which every hart waits";
        lanes.push(lane(
            "executing",
            EXECUTING,
            |column| column.busy,
            executing,
        ));
        lanes.push(lane("idle", COLOURS[IDLE], |column| column.idle, idle));
    }
    lanes.push(counted(plot, "bytes of log", OTHER, &|column| column.bytes));
    for (group, colour) in (0..TRACKS.len()).zip(COLOURS) {
        let kinds = Kind::ALL.iter().filter(|kind| track(**kind) == group);
        let of_kind = kinds.map(|&kind| {
            let name = short(kind).to_lowercase().replace('_', "-");
            counted(plot, &name, colour, &|column| column.events[kind.index()])
        });
        let mut found = of_kind.filter(|lane| lane.total != "0");
        if let Some(first) = found.next() {
            lanes.push(Lane {
                apart: true,
                ..first
            });
            lanes.extend(found);
        }
    }
    lanes
}

/// The speed of the host, if it is known.
fn speed(plot: &Plot) -> Option<Lane> {
    let most = plot.columns.iter().filter_map(Column::rate);
    let most = most.fold(0.0, f64::max);
    let part = |part: fn(&Column) -> f64| plot.columns.iter().map(part).sum::<f64>();
    let (paced, cpu) = (part(|column| column.paced), part(|column| column.cpu));
    (cpu > 0.0).then(|| Lane {
        name: "instructions / CPU second".to_owned(),
        colour: "#0b8a7d",
        height: HIGH,
        total: roughly(paced / cpu * 1e9),
        about: "instructions in a second of CPU time of the host's thread that executes the guest, \
            while it was recorded; waiting does not count",
        bars: bars(plot, |column| column.rate().unwrap_or(0.0) / most),
        apart: false,
    })
}

/// A row of counts. The largest count fills the row's height.
fn counted(plot: &Plot, name: &str, colour: &'static str, part: &dyn Fn(&Column) -> u64) -> Lane {
    let most = plot.columns.iter().map(part).max().unwrap_or(0).max(1);
    let sum = sum(plot, part);
    Lane {
        name: name.to_owned(),
        colour,
        height: if sum < FEW { LOW } else { HIGH },
        total: thousands(sum),
        about: "",
        bars: bars(plot, |column| part(column) as f64 / most as f64),
        apart: false,
    }
}

fn sum(plot: &Plot, part: &dyn Fn(&Column) -> u64) -> u64 {
    plot.columns.iter().map(part).sum()
}

fn bars(plot: &Plot, part: impl Fn(&Column) -> f64) -> Vec<f64> {
    plot.columns.iter().map(part).collect()
}
