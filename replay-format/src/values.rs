//! The small numbered sets in events: checkpoints, clocks, shutdown causes, input.

/// Defines a numbered set. A member's number is its index in the list, as in the log.
macro_rules! numbered {
    ($(#[$meta:meta])* $set:ident { $($(#[$doc:meta])* $variant:ident $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $set { $($(#[$doc])* $variant,)* }

        impl $set {
            /// Every member, in the order of their numbers.
            pub const ALL: &'static [$set] = &[$($set::$variant,)*];

            /// The number in the log.
            pub const fn id(self) -> u8 {
                self as u8
            }

            /// The member with this number; `None` if there is none.
            pub const fn from_id(id: u8) -> Option<$set> {
                $(if id == $set::$variant as u8 { return Some($set::$variant); })*
                None
            }

            /// The name in QEMU's documents, in lower case with hyphens.
            pub const fn name(self) -> &'static str {
                match self { $($set::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

numbered! {
    /// A synchronisation mark: a place where a thread other than the vCPU does work that the guest
    /// sees.
    Checkpoint {
        /// 0: the virtual clock is about to be warped over an idle period.
        ClockWarpStart "clock-warp-start",
        /// 1: the warp is accounted for.
        ClockWarpAccount "clock-warp-account",
        /// 2: the main loop handles a requested reset.
        ResetRequested "reset-requested",
        /// 3: the main loop handles a requested suspend.
        SuspendRequested "suspend-requested",
        /// 4: timers of the virtual clock run.
        ClockVirtual "clock-virtual",
        /// 5: timers of the host clock run.
        ClockHost "clock-host",
        /// 6: timers of the virtual-rt clock run.
        ClockVirtualRt "clock-virtual-rt",
        /// 7: the machine is initialised.
        Init "init",
        /// 8: the machine is reset.
        Reset "reset",
    }
}

numbered! {
    /// A host clock whose readings are in the log.
    Clock {
        /// 0: nanoseconds since the Unix epoch.
        Host "host",
        /// 1: nanoseconds of virtual real time, which runs on while the guest idles.
        VirtualRt "virtual-rt",
    }
}

/// Why the machine shut down or was reset. The numbers differ between versions: see
/// [`Table`](crate::Table) and FORMAT.md, "Shutdown causes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ShutdownCause {
    /// Version 5 has one shutdown event, without a cause.
    Unspecified,
    /// No shutdown request is pending.
    None,
    /// An error on the host.
    HostError,
    /// A QMP command (`quit` or `system_reset`), up to QEMU 3.1.
    HostQmp,
    /// The QMP command `quit`, from QEMU 4.0.
    HostQmpQuit,
    /// The QMP command `system_reset`, from QEMU 4.0.
    HostQmpSystemReset,
    /// A signal to the process, such as SIGINT.
    HostSignal,
    /// The user closed the window, for instance.
    HostUi,
    /// The guest switched the machine off.
    GuestShutdown,
    /// The guest reset the machine.
    GuestReset,
    /// The guest reported a panic.
    GuestPanic,
    /// A part of the machine was reset, from QEMU 3.0.
    SubsystemReset,
    /// A snapshot was loaded, from QEMU 7.2.
    SnapshotLoad,
    /// The reserved number after the last cause. No QEMU writes it.
    Max,
}

/// An event of an input device. The numbers of keys, buttons and axes are those of `ui.json` in the
/// QEMU that recorded them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputEvent {
    /// Type 0, key kind 0: a key by its hardware number.
    KeyNumber {
        /// The hardware number.
        value: u64,
        /// True: pressed; false: released.
        down: bool,
    },
    /// Type 0, key kind 1: a key by its `QKeyCode`.
    KeyQcode {
        /// The `QKeyCode`.
        qcode: u32,
        /// True: pressed; false: released.
        down: bool,
    },
    /// Type 1: a mouse button, an `InputButton`.
    Button {
        /// The `InputButton`.
        button: u32,
        /// True: pressed; false: released.
        down: bool,
    },
    /// Type 2: a relative move.
    Relative {
        /// The `InputAxis`: 0 x, 1 y.
        axis: u32,
        /// The distance.
        value: i64,
    },
    /// Type 3: an absolute move.
    Absolute {
        /// The `InputAxis`: 0 x, 1 y.
        axis: u32,
        /// The position, 0 to 0x7fff.
        value: i64,
    },
    /// Type 4: multi-touch, from QEMU 8.1.
    MultiTouch {
        /// The `InputMultiTouchType`.
        touch: u32,
        /// The slot.
        slot: i64,
        /// The tracking id.
        tracking_id: i64,
        /// The `InputAxis`: 0 x, 1 y.
        axis: u32,
        /// The position, 0 to 0x7fff.
        value: i64,
    },
}
