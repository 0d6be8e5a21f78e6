//! The options of `--netdev`, as QEMU writes them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// The name of a network if the user gives none.
pub const DEFAULT_ID: &str = "net0";

/// The values of `--netdev`, for messages.
const ACCEPTED: &str = "user[,id=ID][,net=ADDR/BITS][,restrict=on|off][,resolver=ADDR[:PORT]]\
    [,hostfwd=tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT]..., unix:PATH[,server][,id=ID] or none";

/// A network backend as the user names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetdevOptions {
    /// Its name, for messages and threads.
    pub id: String,
    /// Its kind.
    pub kind: NetdevKind,
}

/// The kinds of network backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetdevKind {
    /// User-mode networking: a network of its own behind ordinary sockets of the process.
    User(UserOptions),
    /// Frames over a Unix stream socket, each behind its length (4 bytes, big endian).
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// True to listen, false to connect.
        server: bool,
    },
    /// No network device at all.
    None,
}

/// The options of the user-mode network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserOptions {
    /// The network's addresses.
    pub net: Subnet,
    /// The guest reaches nothing outside. Forwarded ports still work.
    pub restrict: bool,
    /// The server for the guest's DNS queries; `None`: the host's own, from `/etc/resolv.conf`.
    pub resolver: Option<SocketAddrV4>,
    /// Ports of the host that lead into the guest.
    pub forwards: Vec<Forward>,
}

impl Default for UserOptions {
    fn default() -> Self {
        Self {
            net: Subnet::DEFAULT,
            restrict: false,
            resolver: None,
            forwards: Vec::new(),
        }
    }
}

/// A port of the host that leads into the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Its protocol.
    pub protocol: Protocol,
    /// The address that the host listens on. 0.0.0.0 means all interfaces, port 0 any free port.
    pub host: SocketAddrV4,
    /// The guest's address; `None`: the one that DHCP gives.
    pub guest: Option<Ipv4Addr>,
    /// The guest's port.
    pub guest_port: u16,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The Transmission Control Protocol.
    Tcp,
    /// The User Datagram Protocol.
    Udp,
}

/// An IPv4 network, and the addresses in it that have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    base: Ipv4Addr,
    bits: u8,
}

impl Subnet {
    /// The network of QEMU's user networking: 10.0.2.0/24.
    pub const DEFAULT: Self = Self {
        base: Ipv4Addr::new(10, 0, 2, 0),
        bits: 24,
    };

    /// Length of the network's prefix, 8 to 27.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The mask of the network.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX << (32 - u32::from(self.bits)))
    }

    fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() | offset)
    }

    /// The gateway, which also stands for the host: the network's second address.
    pub fn gateway(self) -> Ipv4Addr {
        self.at(2)
    }

    /// The DNS server: the network's third address.
    pub fn dns(self) -> Ipv4Addr {
        self.at(3)
    }

    /// The address that DHCP gives to the guest: the network's fifteenth address.
    pub fn guest(self) -> Ipv4Addr {
        self.at(15)
    }

    /// The broadcast address of the network.
    pub fn broadcast(self) -> Ipv4Addr {
        self.at(!self.mask().to_bits())
    }

    /// Whether an address belongs to the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask().to_bits() == self.base.to_bits()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl From<Subnet> for String {
    fn from(net: Subnet) -> Self {
        net.to_string()
    }
}

impl TryFrom<String> for Subnet {
    type Error = NetdevParseError;

    fn try_from(text: String) -> Result<Self, NetdevParseError> {
        text.parse()
    }
}

impl FromStr for Subnet {
    type Err = NetdevParseError;

    fn from_str(text: &str) -> Result<Self, NetdevParseError> {
        let wrong = || NetdevParseError::value("net", text, "ADDR/BITS, with BITS from 8 to 27");
        let (address, bits) = text.split_once('/').unwrap_or((text, "24"));
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let bits = bits.parse().map_err(|_| wrong())?;
        let usable = !address.is_loopback() && !address.is_multicast() && address.octets()[0] != 0;
        if !(8..=27).contains(&bits) || !usable || address.octets()[0] >= 240 {
            return Err(wrong());
        }
        let net = Self {
            base: address,
            bits,
        };
        // Host bits in the address are cleared, as QEMU does.
        Ok(Self {
            base: Ipv4Addr::from_bits(address.to_bits() & net.mask().to_bits()),
            bits,
        })
    }
}

/// Why a `--netdev` was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetdevParseError {
    /// There is no such backend.
    #[error("unknown network backend `{0}`; expected {ACCEPTED}")]
    Kind(String),
    /// The backend has no such option.
    #[error("`{kind}` takes no option `{option}`; expected {ACCEPTED}")]
    Option {
        /// The backend.
        kind: &'static str,
        /// The option that was given.
        option: String,
    },
    /// The option does not take this value.
    #[error("{option}={value}: expected {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// The value that was given.
        value: String,
        /// The values that the option takes.
        expected: &'static str,
    },
}

impl NetdevParseError {
    fn value(option: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Value {
            option,
            value: value.to_owned(),
            expected,
        }
    }
}

impl FromStr for NetdevOptions {
    type Err = NetdevParseError;

    fn from_str(text: &str) -> Result<Self, NetdevParseError> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let mut id = DEFAULT_ID.to_owned();
        let kind = match head.split_once(':').unwrap_or((head, "")) {
            ("user", "") => NetdevKind::User(user(parts, &mut id)?),
            ("unix", path) if !path.is_empty() => NetdevKind::Unix {
                path: path.into(),
                server: unix(parts, &mut id)?,
            },
            ("none", "") => match parts.next() {
                None => NetdevKind::None,
                Some(option) => {
                    return Err(NetdevParseError::Option {
                        kind: "none",
                        option: option.to_owned(),
                    });
                }
            },
            _ => return Err(NetdevParseError::Kind(head.to_owned())),
        };
        Ok(Self { id, kind })
    }
}

fn user<'a>(
    parts: impl Iterator<Item = &'a str>,
    id: &mut String,
) -> Result<UserOptions, NetdevParseError> {
    let mut options = UserOptions::default();
    for part in parts {
        match part.split_once('=').unwrap_or((part, "")) {
            ("id", value) => *id = identifier(value)?,
            ("net", value) => options.net = value.parse()?,
            ("restrict", value) => options.restrict = switch("restrict", value)?,
            ("resolver", value) => options.resolver = Some(resolver(value)?),
            ("hostfwd", value) => options.forwards.push(forward(value)?),
            _ => {
                return Err(NetdevParseError::Option {
                    kind: "user",
                    option: part.to_owned(),
                });
            }
        }
    }
    Ok(options)
}

fn unix<'a>(
    parts: impl Iterator<Item = &'a str>,
    id: &mut String,
) -> Result<bool, NetdevParseError> {
    let mut server = false;
    for part in parts {
        match part.split_once('=').unwrap_or((part, "")) {
            ("id", value) => *id = identifier(value)?,
            ("server", "") => server = true,
            ("server", value) => server = switch("server", value)?,
            _ => {
                return Err(NetdevParseError::Option {
                    kind: "unix",
                    option: part.to_owned(),
                });
            }
        }
    }
    Ok(server)
}

fn identifier(text: &str) -> Result<String, NetdevParseError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    let expected = "a letter, then letters, digits, `-`, `.` and `_`";
    Err(NetdevParseError::value("id", text, expected))
}

fn switch(option: &'static str, text: &str) -> Result<bool, NetdevParseError> {
    match text {
        "on" | "yes" => Ok(true),
        "off" | "no" => Ok(false),
        _ => Err(NetdevParseError::value(option, text, "on or off")),
    }
}

fn resolver(text: &str) -> Result<SocketAddrV4, NetdevParseError> {
    let address = text.parse().map(|address| SocketAddrV4::new(address, 53));
    address
        .or_else(|_| text.parse())
        .map_err(|_| NetdevParseError::value("resolver", text, "ADDR or ADDR:PORT"))
}

fn forward(text: &str) -> Result<Forward, NetdevParseError> {
    let expected = "tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT, with IPv4 addresses";
    parse_forward(text).ok_or_else(|| NetdevParseError::value("hostfwd", text, expected))
}

fn parse_forward(text: &str) -> Option<Forward> {
    let (protocol, rest) = text.split_once(':')?;
    let protocol = match protocol {
        // `tcp` is QEMU's default.
        "tcp" | "" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (host, guest) = rest.split_once('-')?;
    let (host, host_port) = endpoint(host)?;
    let (guest, guest_port) = endpoint(guest)?;
    (guest_port != 0).then_some(Forward {
        protocol,
        host: SocketAddrV4::new(host.unwrap_or(Ipv4Addr::UNSPECIFIED), host_port),
        guest,
        guest_port,
    })
}

fn endpoint(text: &str) -> Option<(Option<Ipv4Addr>, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address {
        "" => None,
        address => Some(address.parse().ok()?),
    };
    Some((address, port.parse().ok()?))
}
