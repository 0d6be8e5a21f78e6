//! The options of `--drive`.

use crate::host::disk::{DriveOptions, DriveOptionsError, Format, check_names};
use proptest::prelude::*;
use std::path::PathBuf;

fn parse(text: &str) -> Result<DriveOptions, DriveOptionsError> {
    text.parse()
}

#[test]
fn what_qemu_users_type() {
    let drive = parse("file=disk.raw,format=raw,id=hd0,readonly=on").unwrap();
    let expected = DriveOptions {
        file: "disk.raw".into(),
        format: Some(Format::Raw),
        id: Some("hd0".into()),
        readonly: true,
    };
    assert_eq!(drive, expected);
    assert!(parse("file=a,readonly").unwrap().readonly);
    assert!(!parse("file=a,readonly=off").unwrap().readonly);
    let drive = parse("id=x,file=a,,b=c,,.img").unwrap();
    assert_eq!(drive.file, PathBuf::from("a,b=c,.img"));
    assert_eq!(drive.name(3), "x");
    assert_eq!(drive.overlay_name(3), "overlay-x.qcow2");
    assert_eq!(parse("file=a").unwrap().name(3), "drive3");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (words, says) in [
        ("", "no image is named"),
        ("format=raw", "no image is named"),
        ("file=", "no image is named"),
        ("disk.raw", "`disk.raw`: expected file=disk.raw"),
        ("file=a,file=b", "`file=` is given twice"),
        ("file=a,format=vmdk", "format=vmdk: expected raw or qcow2"),
        (
            "file=a,readonly=maybe",
            "readonly=maybe: expected on or off",
        ),
        ("file=a,id=../x", "id=../x: expected a letter"),
        ("file=a,id=", "id=: expected a letter"),
        ("file=a,if=virtio", "every drive is a virtio disk"),
        ("file=a,cache=none", "leave it out"),
        ("file=a,colour=red", "`colour` is not known"),
    ] {
        let error = parse(words).unwrap_err().to_string();
        assert!(error.contains(says), "{words}: {error}");
    }
}

#[test]
fn names_are_unique() {
    let drives = ["file=a", "file=b,id=drive0"].map(|words| parse(words).unwrap());
    let error = check_names(&drives).unwrap_err();
    assert_eq!(error, DriveOptionsError::SameName("drive0".into()));
    let drives = ["file=a", "file=b,id=drive2"].map(|words| parse(words).unwrap());
    check_names(&drives).unwrap();
}

proptest! {
    #[test]
    fn words_say_what_was_meant(
        file in "[ -~]{1,40}",
        format in prop::option::of(prop_oneof![Just(Format::Raw), Just(Format::Qcow2)]),
        id in prop::option::of("[a-zA-Z][a-zA-Z0-9._-]{0,20}"),
        readonly: bool,
    ) {
        let drive = DriveOptions { file: file.into(), format, id, readonly };
        prop_assert_eq!(parse(&drive.to_string()).unwrap(), drive.clone());
        let json = serde_json::to_string(&drive).unwrap();
        prop_assert_eq!(serde_json::from_str::<DriveOptions>(&json).unwrap(), drive);
    }

    #[test]
    fn no_words_are_too_strange(text in "\\PC*") {
        let _ = parse(&text);
    }
}
