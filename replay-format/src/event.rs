//! The events, and the one table of them.
//!
//! [`events!`](self) lists every event once: its name, the versions that have it, its arguments in
//! the order of the log, and the value that it decodes to. Ids, names, sizes, decoding and encoding
//! are derived from these rows. An id is the number of rows before, counting those that a version
//! has.

use crate::error::{Fault, WriteError};
use crate::values::{Checkpoint, Clock, InputEvent, ShutdownCause};
use crate::version::{Features, Table};
use crate::wire::{Encoder, Field, Reader};

/// One event of the log, with its arguments. Arrays borrow from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event<'a> {
    /// Instructions executed since the event before.
    Instruction {
        /// The number of instructions.
        count: u32,
    },
    /// The guest takes an interrupt here.
    Interrupt,
    /// The guest takes an exception here.
    Exception,
    /// An asynchronous event, which a checkpoint carries.
    Async {
        /// The checkpoint that carries it. `None` from version 11 on, where the log does not say.
        checkpoint: Option<Checkpoint>,
        /// The event.
        event: AsyncEvent<'a>,
    },
    /// The machine shuts down or is reset.
    Shutdown(ShutdownCause),
    /// Output to a character device.
    CharWrite {
        /// The result of the output function: bytes taken, or a negative errno.
        result: i32,
        /// The number of bytes of the output array that were written.
        offset: u32,
    },
    /// Input that the machine asked a character device for.
    CharReadAll(&'a [u8]),
    /// That input failed. This is a negative errno.
    CharReadAllError(i32),
    /// Samples that the host played.
    AudioOut {
        /// The number of samples. Versions 6 and 7 hold 32 bits.
        samples: u64,
    },
    /// Samples that the host recorded.
    AudioIn {
        /// The number of samples. Versions 6 and 7 hold 32 bits.
        samples: u64,
        /// The next place in the ring buffer, in samples. `None` from version 13 on.
        write_position: Option<u64>,
        /// [`FRAME_BYTES`](crate::FRAME_BYTES) per sample: u64 left, u64 right, big-endian.
        frames: &'a [u8],
    },
    /// Random bytes that the guest got. From version 9 on.
    Random {
        /// The result of the generator: 0, or a negative errno.
        result: i32,
        /// The bytes.
        data: &'a [u8],
    },
    /// A reading of a host clock.
    Clock {
        /// The clock.
        clock: Clock,
        /// Nanoseconds.
        value: i64,
    },
    /// A synchronisation mark.
    Checkpoint(Checkpoint),
    /// The last event.
    End,
}

/// An asynchronous event: it comes from outside at any time, and is handled at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AsyncEvent<'a> {
    /// A bottom half runs.
    Bh {
        /// The operation.
        id: u64,
    },
    /// A bottom half that runs once. From version 8 on.
    BhOneshot {
        /// The operation.
        id: u64,
    },
    /// An event of a keyboard, a mouse or a touch screen.
    Input(InputEvent),
    /// The end of a group of input events.
    InputSync,
    /// Input from a character device.
    CharRead {
        /// The index of the character device, in the order of the command line.
        device: u8,
        /// The bytes.
        data: &'a [u8],
    },
    /// A block device completes an operation.
    Block {
        /// The operation.
        id: u64,
    },
    /// A network packet arrives.
    Net {
        /// The index of the network filter, in the order of the command line.
        device: u8,
        /// The flags of the packet, as QEMU's network layer numbers them.
        flags: u32,
        /// The packet.
        data: &'a [u8],
    },
}

macro_rules! events {
    ($($group:ident $kind:ident $name:literal
       if ($features:ident => $present:expr)
       ($($argument:tt : $field:ident),*)
       = [$($event:tt)*];)*) => {
        /// The kind of an event, without its arguments. Kinds are small dense numbers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of the log's ids.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// The exact name, such as `EVENT_INSTRUCTION` or `REPLAY_ASYNC_EVENT_NET`.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            pub(crate) const fn group(self) -> Group {
                match self { $(Kind::$kind => Group::$group,)* }
            }

            pub(crate) const fn is_in(self, features: &Features) -> bool {
                match self { $(Kind::$kind => { let $features = features; $present })* }
            }

            pub(crate) const fn fields(self) -> &'static [Field] {
                match self { $(Kind::$kind => &[$(Field::$field,)*],)* }
            }
        }

        impl Event<'_> {
            /// The kind of the event.
            #[allow(unused_variables, reason = "the rows name arguments that only decode needs")]
            #[inline]
            pub fn kind(&self) -> Kind {
                match *self { $($($event)* => Kind::$kind,)* }
            }
        }

        /// Decodes the arguments of an event of this kind. The reader is after the event id.
        #[inline(always)]
        pub(crate) fn decode<'a>(
            kind: Kind,
            table: &Table,
            reader: &mut Reader<'a>,
        ) -> Result<Event<'a>, Fault> {
            Ok(match kind {
                $(Kind::$kind => {
                    $(let $argument = reader.$field(table)?;)*
                    $($event)*
                })*
            })
        }

        /// Encodes the event, its id included.
        pub(crate) fn encode(
            event: &Event<'_>,
            table: &Table,
            out: &mut Encoder<'_>,
        ) -> Result<(), WriteError> {
            match *event {
                $($($event)* => {
                    out.id(table, Kind::$kind)?;
                    $(out.$field(table, Kind::$kind, $argument)?;)*
                    Ok(())
                })*
            }
        }
    };
}

events! {
    // group kind name, if the version has it, (arguments) = what they decode to
    Plain Instruction "EVENT_INSTRUCTION" if (_f => true) (count: u32)
        = [Event::Instruction { count }];
    Plain Interrupt "EVENT_INTERRUPT" if (_f => true) () = [Event::Interrupt];
    Plain Exception "EVENT_EXCEPTION" if (_f => true) () = [Event::Exception];

    Async Bh "REPLAY_ASYNC_EVENT_BH" if (_f => true) (checkpoint: lead, id: u64)
        = [Event::Async { checkpoint, event: AsyncEvent::Bh { id } }];
    Async BhOneshot "REPLAY_ASYNC_EVENT_BH_ONESHOT" if (f => f.bh_oneshot)
        (checkpoint: lead, id: u64)
        = [Event::Async { checkpoint, event: AsyncEvent::BhOneshot { id } }];
    Async Input "REPLAY_ASYNC_EVENT_INPUT" if (_f => true) (checkpoint: lead, input: input)
        = [Event::Async { checkpoint, event: AsyncEvent::Input(input) }];
    Async InputSync "REPLAY_ASYNC_EVENT_INPUT_SYNC" if (_f => true) (checkpoint: lead)
        = [Event::Async { checkpoint, event: AsyncEvent::InputSync }];
    Async CharRead "REPLAY_ASYNC_EVENT_CHAR_READ" if (_f => true)
        (checkpoint: lead, device: u8, data: array)
        = [Event::Async { checkpoint, event: AsyncEvent::CharRead { device, data } }];
    Async Block "REPLAY_ASYNC_EVENT_BLOCK" if (_f => true) (checkpoint: lead, id: u64)
        = [Event::Async { checkpoint, event: AsyncEvent::Block { id } }];
    Async Net "REPLAY_ASYNC_EVENT_NET" if (_f => true)
        (checkpoint: lead, device: u8, flags: u32, data: array)
        = [Event::Async { checkpoint, event: AsyncEvent::Net { device, flags, data } }];

    // The number of causes grew without a new version: FORMAT.md, "Shutdown causes".
    Plain Shutdown "EVENT_SHUTDOWN" if (f => f.causes == 0) ()
        = [Event::Shutdown(ShutdownCause::Unspecified)];
    Plain ShutdownNone "EVENT_SHUTDOWN_NONE" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::None)];
    Plain ShutdownHostError "EVENT_SHUTDOWN_HOST_ERROR" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::HostError)];
    Plain ShutdownHostQmp "EVENT_SHUTDOWN_HOST_QMP" if (f => matches!(f.causes, 8 | 9)) ()
        = [Event::Shutdown(ShutdownCause::HostQmp)];
    Plain ShutdownHostQmpQuit "EVENT_SHUTDOWN_HOST_QMP_QUIT" if (f => f.causes >= 10) ()
        = [Event::Shutdown(ShutdownCause::HostQmpQuit)];
    Plain ShutdownHostQmpSystemReset "EVENT_SHUTDOWN_HOST_QMP_SYSTEM_RESET"
        if (f => f.causes >= 10) ()
        = [Event::Shutdown(ShutdownCause::HostQmpSystemReset)];
    Plain ShutdownHostSignal "EVENT_SHUTDOWN_HOST_SIGNAL" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::HostSignal)];
    Plain ShutdownHostUi "EVENT_SHUTDOWN_HOST_UI" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::HostUi)];
    Plain ShutdownGuestShutdown "EVENT_SHUTDOWN_GUEST_SHUTDOWN" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::GuestShutdown)];
    Plain ShutdownGuestReset "EVENT_SHUTDOWN_GUEST_RESET" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::GuestReset)];
    Plain ShutdownGuestPanic "EVENT_SHUTDOWN_GUEST_PANIC" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::GuestPanic)];
    Plain ShutdownSubsystemReset "EVENT_SHUTDOWN_SUBSYSTEM_RESET" if (f => f.causes >= 9) ()
        = [Event::Shutdown(ShutdownCause::SubsystemReset)];
    Plain ShutdownSnapshotLoad "EVENT_SHUTDOWN_SNAPSHOT_LOAD" if (f => f.causes >= 11) ()
        = [Event::Shutdown(ShutdownCause::SnapshotLoad)];
    Plain ShutdownMax "EVENT_SHUTDOWN__MAX" if (f => f.causes > 0) ()
        = [Event::Shutdown(ShutdownCause::Max)];

    Plain CharWrite "EVENT_CHAR_WRITE" if (_f => true) (result: i32, offset: u32)
        = [Event::CharWrite { result, offset }];
    Plain CharReadAll "EVENT_CHAR_READ_ALL" if (_f => true) (data: array)
        = [Event::CharReadAll(data)];
    Plain CharReadAllError "EVENT_CHAR_READ_ALL_ERROR" if (_f => true) (error: i32)
        = [Event::CharReadAllError(error)];
    Plain AudioOut "EVENT_AUDIO_OUT" if (f => f.audio_count > 0) (samples: count)
        = [Event::AudioOut { samples }];
    Plain AudioIn "EVENT_AUDIO_IN" if (f => f.audio_count > 0)
        ((samples, write_position, frames): audio_in)
        = [Event::AudioIn { samples, write_position, frames }];
    Plain Random "EVENT_RANDOM" if (f => f.random) (result: i32, data: array)
        = [Event::Random { result, data }];

    Plain ClockHost "EVENT_CLOCK_HOST" if (_f => true) (value: i64)
        = [Event::Clock { clock: Clock::Host, value }];
    Plain ClockVirtualRt "EVENT_CLOCK_VIRTUAL_RT" if (_f => true) (value: i64)
        = [Event::Clock { clock: Clock::VirtualRt, value }];

    Plain CheckpointClockWarpStart "EVENT_CHECKPOINT_CLOCK_WARP_START" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ClockWarpStart)];
    Plain CheckpointClockWarpAccount "EVENT_CHECKPOINT_CLOCK_WARP_ACCOUNT" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ClockWarpAccount)];
    Plain CheckpointResetRequested "EVENT_CHECKPOINT_RESET_REQUESTED" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ResetRequested)];
    Plain CheckpointSuspendRequested "EVENT_CHECKPOINT_SUSPEND_REQUESTED" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::SuspendRequested)];
    Plain CheckpointClockVirtual "EVENT_CHECKPOINT_CLOCK_VIRTUAL" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ClockVirtual)];
    Plain CheckpointClockHost "EVENT_CHECKPOINT_CLOCK_HOST" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ClockHost)];
    Plain CheckpointClockVirtualRt "EVENT_CHECKPOINT_CLOCK_VIRTUAL_RT" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::ClockVirtualRt)];
    Plain CheckpointInit "EVENT_CHECKPOINT_INIT" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::Init)];
    Plain CheckpointReset "EVENT_CHECKPOINT_RESET" if (_f => true) ()
        = [Event::Checkpoint(Checkpoint::Reset)];

    Plain End "EVENT_END" if (_f => true) () = [Event::End];
}

/// How a kind is numbered in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// By an event id.
    Plain,
    /// By a second number after the id of `EVENT_ASYNC`, up to version 11.
    Async,
}

impl Kind {
    /// The number of kinds.
    pub const COUNT: usize = Kind::ALL.len();

    /// The index in [`Kind::ALL`], for arrays of [`Kind::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The kind with exactly this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// True for the asynchronous events, which a checkpoint carries.
    pub const fn is_async(self) -> bool {
        matches!(self.group(), Group::Async)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
