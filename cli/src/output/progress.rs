//! A progress bar for work that takes long.

use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// How long work must take before the bar is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Events between two looks at the clock.
const EVERY: u32 = 1 << 16;

/// Shows how many bytes of a log are done. The bar appears after a second, if standard error is a
/// terminal and standard output is not the same one, and not with `--quiet`.
#[derive(Debug)]
pub(crate) struct Progress {
    total: u64,
    calls: u32,
    /// `None` if it must never be shown.
    started: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work on `total` bytes starts now.
    pub(crate) fn new(total: u64) -> Progress {
        let visible = !output::is_quiet() && stderr().is_terminal() && !stdout().is_terminal();
        Progress {
            total,
            calls: 0,
            started: visible.then(Instant::now),
            bar: None,
        }
    }

    /// Notes that `done` bytes are done. It is cheap enough to call for each event.
    #[inline]
    pub(crate) fn at(&mut self, done: u64) {
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(EVERY) {
            self.show(done);
        }
    }

    /// Notes that `done` bytes are done, for large steps.
    pub(crate) fn jump(&mut self, done: u64) {
        self.show(done);
    }

    #[cold]
    fn show(&mut self, done: u64) {
        if self
            .started
            .is_none_or(|started| started.elapsed() < PATIENCE)
        {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(self.total);
            // The bar shows no rate and no remaining time: it appears late, so they would be wild
            // guesses at first.
            let template = "{bar:40} {bytes} of {total_bytes}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows the progress of a replay, under the same conditions as [`Progress`].
#[derive(Debug)]
pub(crate) struct InstructionProgress {
    /// `None` if it must never be shown.
    started: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl InstructionProgress {
    /// The replay starts now.
    pub(crate) fn new() -> Self {
        let visible = !output::is_quiet() && stderr().is_terminal() && !stdout().is_terminal();
        Self {
            started: visible.then(Instant::now),
            bar: None,
        }
    }

    /// Notes that `icount` instructions are done.
    pub(crate) fn at(&mut self, instructions: u64) {
        if self
            .started
            .is_none_or(|started| started.elapsed() < PATIENCE)
        {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{human_pos} instructions, {per_sec}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(instructions);
    }
}

impl Drop for InstructionProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
