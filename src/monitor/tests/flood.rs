//! Ten thousand random and mutated requests over several connections at once: no crash, no hang, no
//! lost reply.

use super::rig::{Client, Rig};
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use std::thread;

const CLIENTS: usize = 4;
const REQUESTS: usize = 2_500;

/// A request that is valid, nearly valid, or garbage.
fn request(rng: &mut TestRng, id: usize) -> Vec<u8> {
    let names = ["echo", "count", "nope", "qmp_capabilities", "large"];
    let all = rng.random_ratio(1, 50);
    let name = names[rng.random_range(0..4 + usize::from(all))];
    let mut request = match rng.random_range(0..3) {
        0 => json!({"execute": name, "id": id}),
        1 => json!({"exec-oob": name, "id": id}),
        _ => json!({"execute": name, "control": {"run-oob": true}, "id": id}),
    };
    if rng.random_ratio(1, 4) {
        let members = ["arguments", "control", "execute", "exec-oob", "x"];
        let values = [
            json!(null),
            json!({}),
            json!([1]),
            json!("echo"),
            json!({"run-oob": true}),
        ];
        let member = members[rng.random_range(0..members.len())];
        request[member] = values[rng.random_range(0..values.len())].clone();
    }
    let mut bytes = request.to_string().into_bytes();
    if rng.random_ratio(1, 4) {
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..3) {
                0 => bytes[at] = rng.random::<u8>(),
                1 => bytes.insert(at, rng.random::<u8>()),
                _ => drop(bytes.remove(at)),
            }
        }
    }
    bytes
}

/// Sends requests in batches. After each batch it sends a request that no garbage can hide, whose
/// reply must come.
fn hammer(mut client: Client, seed: u8) -> usize {
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut replies = 0;
    for batch in 0..REQUESTS / 10 {
        let mut bytes = Vec::new();
        for number in 0..10 {
            bytes.extend(request(&mut rng, 10 * batch + number));
        }
        let marker = format!("batch {batch}");
        bytes.extend(b"\xff");
        bytes.extend(
            json!({"execute": "echo", "id": marker})
                .to_string()
                .into_bytes(),
        );
        while !bytes.is_empty() {
            let length = rng.random_range(1..200).min(bytes.len());
            client.write(&bytes.drain(..length).collect::<Vec<_>>());
        }
        loop {
            let line = client.line();
            replies += 1;
            let known = |name: &str| line.get(name).is_some();
            assert!(known("return") ^ known("error"), "{line}");
            if line["id"] == *marker {
                break;
            }
        }
    }
    replies
}

#[test]
fn ten_thousand_requests() {
    let rig = Rig::new(CLIENTS);
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|socket| rig.client(socket, true))
        .collect();
    let threads: Vec<_> = (1..)
        .zip(clients)
        .map(|(seed, client)| thread::spawn(move || hammer(client, seed)))
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap() > REQUESTS / 2);
    }
    // The monitor still works.
    let reply = rig
        .client(0, true)
        .ask(json!({"exec-oob": "count", "id": 1}));
    assert_eq!(reply["id"], json!(1));
}

/// Without garbage, each request has exactly one reply, in whatever order requests are executed.
#[test]
fn every_request_has_one_reply() {
    let rig = Rig::new(2);
    let ask = |mut client: Client| {
        thread::spawn(move || {
            let mut stream = client.stream.try_clone().unwrap();
            let writer = thread::spawn(move || {
                use std::io::Write;
                for id in 0..2000 {
                    let execute = ["execute", "exec-oob"][id % 2];
                    let request = json!({execute: "count", "id": id});
                    stream.write_all(request.to_string().as_bytes()).unwrap();
                }
            });
            let mut ids: Vec<u64> = (0..2000)
                .map(|_| client.line()["id"].as_u64().unwrap())
                .collect();
            writer.join().unwrap();
            let in_band: Vec<u64> = ids.iter().copied().filter(|id| id % 2 == 0).collect();
            assert!(in_band.is_sorted());
            ids.sort_unstable();
            assert_eq!(ids, (0..2000).collect::<Vec<_>>());
        })
    };
    let threads = [ask(rig.client(0, true)), ask(rig.client(1, true))];
    for thread in threads {
        thread.join().unwrap();
    }
}
