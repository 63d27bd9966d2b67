// Answers as a service compiled for the Rust frenezulo does: lunatic 0.11 mailbox, rmp-serde, one request a process.
//
// The types are written from the protocol (lunatic-abi.md, section 3.5), not taken from frenezulo.
use std::collections::HashMap;

use lunatic::serializer::MessagePack;
use lunatic::{Mailbox, Process};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[derive(Serialize, Deserialize)]
struct RequestId {
    tag: i64,
}

#[derive(Serialize, Deserialize, Debug)]
enum Method {
    Options,
    Get,
    Post,
    Put,
    Delete,
    Head,
    Trace,
    Connect,
    Patch,
}

#[derive(Serialize, Deserialize)]
enum Version {
    Http09,
    Http10,
    Http11,
    Http2,
    Http3,
}

type Headers = HashMap<String, Vec<ByteBuf>>;

#[derive(Serialize, Deserialize)]
struct RequestMetadata {
    method: Method,
    uri: String,
    version: Version,
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
    version: Version,
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

#[export_name = "frenezulo_main"]
extern "C" fn frenezulo_main() {
    answer(unsafe { Mailbox::new() })
}

#[lunatic::main]
fn main(mailbox: Mailbox<WorkerMessage, MessagePack>) {
    answer(mailbox)
}

fn answer(mailbox: Mailbox<WorkerMessage, MessagePack>) {
    let WorkerMessage::Request(id, request, reply_to) = mailbox.receive();
    let mut body = format!("{:?} {}\n", request.metadata.method, request.metadata.uri).into_bytes();
    body.extend_from_slice(&request.body);
    let response = Response {
        metadata: ResponseMetadata { status: 200, version: request.metadata.version, headers: Headers::new() },
        body,
    };
    reply_to.send(ModuleSupervisorMessage::CompleteRequest(id, response));
}
