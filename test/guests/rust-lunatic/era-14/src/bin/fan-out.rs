// A service of frenezulo: each request is shared out to as many child processes as its body says (100), which each add
// their part; the sum is the answer. "panic" in the path: one child panics, and the request goes on without its part.
//
// The types are written from the protocol (lunatic-abi.md, section 3.5).
use std::collections::HashMap;
use std::time::Duration;

use lunatic::serializer::MessagePack;
use lunatic::{Mailbox, Process, Tag};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(Serialize, Deserialize)]
struct RequestId {
    tag: i64,
}

/// Method and version are enums of unit variants, which MessagePack has as strings.
type Headers = HashMap<String, Vec<ByteBuf>>;

#[derive(Serialize, Deserialize)]
struct RequestMetadata {
    method: String,
    uri: String,
    version: String,
    headers: Headers,
}

#[derive(Serialize, Deserialize)]
struct Request {
    metadata: RequestMetadata,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct ResponseMetadata {
    status: u16,
    version: String,
    headers: Headers,
}

#[derive(Serialize, Deserialize)]
struct Response {
    metadata: ResponseMetadata,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
enum WorkerMessage {
    Request(RequestId, Request, Process<ModuleSupervisorMessage, MessagePack>),
}

#[derive(Serialize, Deserialize)]
enum ModuleSupervisorMessage {
    CompleteRequest(RequestId, Response),
}

/// What a child tells: its part, under a tag that the request's process made.
type Part = u64;

fn child((parent, tag, part, panics): (Process<Part>, Tag, u64, bool), _: Mailbox<()>) {
    assert!(!panics, "this child was asked to panic");
    parent.tag_send(tag, part);
}

#[export_name = "frenezulo_main"]
extern "C" fn frenezulo_main() {
    let mailbox: Mailbox<WorkerMessage, MessagePack> = unsafe { Mailbox::new() };
    let WorkerMessage::Request(id, request, reply_to) = mailbox.receive();
    let children: u64 = String::from_utf8_lossy(&request.body).trim().parse().unwrap_or(100);
    let one_panics = request.metadata.uri.contains("panic");

    let parts: Mailbox<Part> = unsafe { Mailbox::new() };
    let tag = Tag::new();
    for i in 0..children {
        Process::spawn((parts.this(), tag, i, one_panics && i == 0), child);
    }
    let mut sum = 0;
    for _ in u64::from(one_panics)..children {
        sum += parts.tag_receive_timeout(&[tag], Duration::from_secs(300)).expect("a part in time");
    }

    let mut headers = Headers::new();
    headers.insert("content-type".into(), vec![ByteBuf::from("text/plain")]);
    let response = Response {
        metadata: ResponseMetadata { status: 200, version: "Http11".into(), headers },
        body: format!("{children} children sum {sum}\n").into_bytes(),
    };
    reply_to.send(ModuleSupervisorMessage::CompleteRequest(id, response));
}

fn main() {
    frenezulo_main()
}
