//! The terminal in raw mode, and its escape.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io;

/// Holds the terminal of stdin in raw mode. The drop restores the mode from before.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Puts the terminal of stdin into raw mode. Output processing stays on, so that the program's
    /// own messages end their lines properly.
    ///
    /// # Errors
    /// If stdin is no terminal, or the host refuses it.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        let output = raw.output_modes;
        raw.make_raw();
        raw.output_modes = output;
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A drop cannot report an error.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// The meaning of a key on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A byte for the guest.
    Guest(u8),
    /// Ctrl-A x: end the run.
    Quit,
    /// Ctrl-A h: show the escapes.
    Help,
}

/// The text that Ctrl-A h shows.
pub const HELP: &str = "\nCtrl-A h  this help\nCtrl-A x  end the run\nCtrl-A Ctrl-A  send Ctrl-A\n";

/// The escape character, as in QEMU.
const ESCAPE: u8 = 1;

/// Separates keys for the guest from keys for the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Escape {
    pending: bool,
}

impl Escape {
    /// Takes a byte from the terminal. An unknown escape is dropped, as in QEMU.
    pub fn key(&mut self, byte: u8) -> Option<Key> {
        if !self.pending {
            self.pending = byte == ESCAPE;
            return (byte != ESCAPE).then_some(Key::Guest(byte));
        }
        self.pending = false;
        match byte {
            b'x' => Some(Key::Quit),
            b'h' | b'?' => Some(Key::Help),
            ESCAPE => Some(Key::Guest(ESCAPE)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut escape = Escape::default();
        let keys: Vec<_> = b"a\x01\x01b\x01q\x01h\x01x"
            .iter()
            .filter_map(|&b| escape.key(b))
            .collect();
        let guest = Key::Guest;
        assert_eq!(
            keys,
            [guest(b'a'), guest(1), guest(b'b'), Key::Help, Key::Quit]
        );
    }
}
