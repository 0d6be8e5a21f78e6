//! Ten thousand random and mutated requests over several connections at once, to a machine that
//! runs. It does not crash or hang, and no reply is lost. Its recording replays.

use crate::client::{Client, SOCKET, start};
use crate::harness::{Dir, sample};
use serde_json::{Value, json};
use std::thread;

const CLIENTS: usize = 4;
const BATCHES: usize = 250;

/// Pseudo-random numbers (xorshift64*; Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Requests of every kind that do not end the run.
fn request(random: &mut Random, names: &[String]) -> Vec<u8> {
    let values = [
        json!(null),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1.5),
        json!(true),
        json!(""),
        json!("start"),
        json!("info registers"),
        json!("x /20xb 0x80000000"),
        json!([]),
        json!(["d0"]),
        json!({"run-oob": true}),
    ];
    let name = random.of(names);
    let mut request = match random.below(3) {
        0 => json!({"execute": name, "id": 1}),
        1 => json!({"exec-oob": name, "id": 1}),
        _ => json!({"execute": name, "control": {"run-oob": true}, "id": 1}),
    };
    if random.below(3) == 0 {
        let keys = [
            "lock",
            "icount",
            "val",
            "size",
            "job-id",
            "tag",
            "devices",
            "vmstate",
            "command-line",
            "id",
        ];
        let count = random.below(4);
        let arguments: serde_json::Map<_, _> = (0..count)
            .map(|_| (random.of(&keys).to_string(), random.of(&values).clone()))
            .collect();
        request["arguments"] = arguments.into();
    }
    if random.below(8) == 0 {
        let member = *random.of(&["execute", "exec-oob", "arguments", "control", "id", "x"]);
        request[member] = random.of(&values).clone();
    }
    let mut bytes = request.to_string().into_bytes();
    for _ in 0..random.below(8).saturating_sub(5) {
        let at = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes.insert(at, random.below(256) as u8),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

fn hammer(mut client: Client, names: &[String], seed: u64) {
    let mut random = Random(seed);
    for batch in 0..BATCHES {
        let mut bytes = Vec::new();
        for _ in 0..10 {
            bytes.extend(request(&mut random, names));
        }
        // This byte resets the parser, whatever came before. Then commands that block are released.
        bytes.push(0xff);
        let marker = format!("batch {batch}");
        bytes.extend(
            json!({"execute": "query-status", "id": marker})
                .to_string()
                .into_bytes(),
        );
        use std::io::Write;
        client.stream.write_all(&bytes).unwrap();
        let mut replies = 0;
        while client.reply()["id"] != *marker {
            replies += 1;
        }
        // There is a reply for each request, except where a mutation joins requests.
        assert!(replies > 0);
        client.events.clear();
    }
}

#[test]
fn ten_thousand_requests() {
    let dir = Dir::new();
    let more: Vec<String> = (1..CLIENTS)
        .map(|socket| format!("unix:{socket}.sock"))
        .collect();
    let mut args = vec!["record", "--kernel"];
    let echo = sample("echo");
    args.extend([&echo, "-o", "rec.rr"]);
    more.iter().for_each(|place| args.extend(["--qmp", place]));
    let running = start(&dir, &args);
    let mut first = Client::new(&dir);
    // Without commands that take long or block, which other tests cover, and without `quit`.
    let not = [
        "quit",
        "qmp_capabilities",
        "x-oob-test",
        "snapshot-load",
        "snapshot-save",
        "memsave",
        "pmemsave",
    ];
    let commands = first.get("query-commands");
    let names = commands
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command["name"].as_str().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| !not.contains(name))
        .map(str::to_owned)
        .collect();
    names.extend(["nope".to_owned(), String::new()]);
    let mut clients = vec![first];
    for socket in 1..CLIENTS {
        let mut client = Client::raw(&dir.path(&format!("{socket}.sock")));
        client.line();
        client.ok("qmp_capabilities", json!({"enable": ["oob"]}));
        clients.push(client);
    }
    thread::scope(|scope| {
        for (seed, client) in (1..).zip(clients) {
            let names = &names;
            scope.spawn(move || hammer(client, names, seed));
        }
    });
    let mut client = Client::new(&dir);
    assert!(client.get("query-status")["running"].is_boolean());
    client.get("quit");
    assert_eq!(client.event("SHUTDOWN")["event"], Value::from("SHUTDOWN"));
    running.ran().code(0);
    assert!(!dir.path(SOCKET).exists());
    dir.rr(&["verify", "rec.rr"]).code(0);
}
