//! `rr inspect --plot`: a picture of a run. [`source`] finds its facts, [`gather`] puts them into
//! columns, and [`svg`] draws them.

mod columns;
mod gather;
mod lanes;
mod marks;
mod source;
mod svg;
mod words;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use replay_format::Log;

use crate::args::input::Input;
use crate::output::outfile::OutFile;
use gather::Plot;

/// A file for the plot. The end of its name tells the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlotFile {
    pub(crate) path: std::path::PathBuf,
    html: bool,
}

/// The error for a name that tells no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` ends in neither .svg nor .html, which say what to draw")]
pub(crate) struct UnknownFormat(String);

impl FromStr for PlotFile {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<PlotFile, UnknownFormat> {
        let path = Path::new(text);
        let html = match path.extension().and_then(|end| end.to_str()) {
            Some("svg") => false,
            Some("html" | "htm") => true,
            _ => return Err(UnknownFormat(text.to_owned())),
        };
        let path = path.to_owned();
        Ok(PlotFile { path, html })
    }
}

/// Draws a run into a file. Returns the exit status of the replay, if there was one.
pub(crate) fn draw(
    kind: &PlotFile,
    file: OutFile,
    input: &Input,
    log: &Log<'_>,
) -> anyhow::Result<ExitCode> {
    let (source, code) = source::of(input, log)?;
    let plot = source.gather();
    file.write(|out| match kind.html {
        true => page(&plot, out),
        false => svg::draw(&plot, out),
    })?;
    file.keep()?;
    Ok(code)
}

/// Writes the picture as an HTML page.
fn page(plot: &Plot, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" \
         content=\"light dark\">\n\
         <style>body {{ margin: 1rem; background: #ffffff; }}\n\
         @media (prefers-color-scheme: dark) {{ body {{ background: #16181c; }} }}\n\
         svg {{ width: 100%; max-width: 1400px; height: auto; display: block; margin: auto; \
         }}</style></head><body>",
        words::escaped(&plot.title)
    )?;
    svg::draw(plot, out)?;
    writeln!(out, "</body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_to_draw() {
        assert!(!"a.svg".parse::<PlotFile>().unwrap().html);
        assert!("x/a.html".parse::<PlotFile>().unwrap().html);
        assert!("a.png".parse::<PlotFile>().is_err());
    }
}
