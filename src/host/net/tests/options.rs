//! The options of `--netdev`.

use crate::host::net::{
    Forward, NetdevKind, NetdevOptions, NetdevParseError, Protocol, Subnet, UserOptions,
};
use proptest::prelude::*;

fn user(text: &str) -> UserOptions {
    match text.parse::<NetdevOptions>().unwrap().kind {
        NetdevKind::User(user) => user,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_option_is_understood() {
    let plain: NetdevOptions = "user".parse().unwrap();
    assert_eq!(plain.id, "net0");
    assert_eq!(plain.kind, NetdevKind::User(UserOptions::default()));
    let all = "user,id=n-1,net=172.16.5.9/16,restrict=on,resolver=127.0.0.1:5353,\
               hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-172.16.0.20:5353,hostfwd=::80-:8080";
    assert_eq!(all.parse::<NetdevOptions>().unwrap().id, "n-1");
    let user = user(all);
    assert_eq!(user.net.to_string(), "172.16.0.0/16");
    assert!(user.restrict);
    assert_eq!(user.resolver, Some("127.0.0.1:5353".parse().unwrap()));
    let forward = |protocol, host: &str, guest: Option<&str>, guest_port| Forward {
        protocol,
        host: host.parse().unwrap(),
        guest: guest.map(|guest| guest.parse().unwrap()),
        guest_port,
    };
    let expected = [
        forward(Protocol::Tcp, "127.0.0.1:2222", None, 22),
        forward(Protocol::Udp, "0.0.0.0:53", Some("172.16.0.20"), 5353),
        forward(Protocol::Tcp, "0.0.0.0:80", None, 8080),
    ];
    assert_eq!(user.forwards, expected);
    let unix = |text: &str| text.parse::<NetdevOptions>().unwrap().kind;
    let kind = |server| NetdevKind::Unix {
        path: "/tmp/x:y".into(),
        server,
    };
    assert_eq!(unix("unix:/tmp/x:y"), kind(false));
    assert_eq!(unix("unix:/tmp/x:y,server"), kind(true));
    assert_eq!(unix("unix:/tmp/x:y,server=off,id=a"), kind(false));
    assert_eq!(unix("none"), NetdevKind::None);
}

#[test]
fn what_is_not_understood_is_said_with_what_would_be() {
    for (text, part) in [
        ("", "expected user"),
        ("tap", "unknown network backend `tap`"),
        ("unix:", "unix:PATH"),
        ("none,id=x", "`none` takes no option `id=x`"),
        ("user,hostfwrd=x", "`user` takes no option `hostfwrd=x`"),
        ("user,id=1", "id=1: expected a letter"),
        ("user,net=10.0.2.0/28", "BITS from 8 to 27"),
        ("user,net=127.0.0.0/8", "net=127.0.0.0/8"),
        ("user,restrict=maybe", "expected on or off"),
        ("user,resolver=::1", "expected ADDR or ADDR:PORT"),
        ("user,hostfwd=tcp:127.0.0.1:22", "hostfwd=tcp:127.0.0.1:22"),
        ("user,hostfwd=tcp::70000-:22", "hostfwd="),
        ("user,hostfwd=tcp::22-:0", "hostfwd="),
        ("user,hostfwd=sctp::22-:22", "tcp|udp"),
        ("unix:/x,wait", "`unix` takes no option `wait`"),
    ] {
        let error = text.parse::<NetdevOptions>().unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let error = "user,net=x".parse::<NetdevOptions>().unwrap_err();
    assert!(matches!(
        error,
        NetdevParseError::Value { option: "net", .. }
    ));
}

#[test]
fn options_survive_machine_json() {
    for text in [
        "user",
        "user,net=172.16.0.0/12,hostfwd=udp::1-:2,resolver=1.2.3.4",
        "unix:/a,server",
        "none",
    ] {
        let options: NetdevOptions = text.parse().unwrap();
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(
            serde_json::from_str::<NetdevOptions>(&json).unwrap(),
            options,
            "{json}"
        );
    }
    let bad = r#""10.0.2.0/31""#;
    assert!(serde_json::from_str::<Subnet>(bad).is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(
        text in "(user|unix:|none)?[,=:/.a-z0-9-]{0,40}(hostfwd=|net=|,)?[0-9.:/-]{0,30}"
    ) {
        let _ = text.parse::<NetdevOptions>();
    }
}
