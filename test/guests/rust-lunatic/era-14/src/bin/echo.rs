// A TCP echo server with a process for each connection, and its clients in processes of their own.
//
//   echo serve ADDRESS            prints "listening on ADDRESS", echoes lines until "exit"
//   echo both ADDRESS CLIENTS     server and clients in one program; prints "N clients were answered"
use std::io::{BufRead, BufReader, Write};

use lunatic::net::{TcpListener, TcpStream};
use lunatic::{Mailbox, Process};

fn connection(stream: TcpStream, _: Mailbox<()>) {
    let mut reader = BufReader::new(stream.clone());
    let mut writer = stream;
    let mut line = String::new();
    while reader.read_line(&mut line).expect("a line") > 0 && line != "exit\n" {
        writer.write_all(line.as_bytes()).expect("written");
        line.clear();
    }
}

fn listen((parent, address): (Process<String>, String), _: Mailbox<()>) {
    let listener = match TcpListener::bind(&*address) {
        Ok(listener) => listener,
        Err(error) => return parent.send(format!("error: {error}")),
    };
    parent.send(listener.local_addr().expect("an address").to_string());
    while let Ok((stream, _peer)) = listener.accept() {
        Process::spawn(stream, connection);
    }
}

fn client((parent, address, number): (Process<String>, String, usize), _: Mailbox<()>) {
    let stream = TcpStream::connect(&*address).expect("connected");
    let mut reader = BufReader::new(stream.clone());
    let mut writer = stream;
    let long = "x".repeat(number * 1000);
    for text in [format!("client {number}\n"), format!("{long}\n")] {
        writer.write_all(text.as_bytes()).expect("written");
        let mut answer = String::new();
        reader.read_line(&mut answer).expect("an answer");
        assert_eq!(answer, text);
    }
    writer.write_all(b"exit\n").expect("written");
    let mut rest = String::new();
    assert_eq!(reader.read_line(&mut rest).expect("the end"), 0);
    parent.send("answered".into());
}

#[lunatic::main]
fn main(mailbox: Mailbox<String>) {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let address = args.get(1).expect("serve or both, and an address").clone();
    Process::spawn_link((mailbox.this(), address), listen);
    let address = mailbox.receive();
    if address.starts_with("error") {
        println!("{address}");
        std::process::exit(2);
    }
    println!("listening on {address}");
    if args[0] == "serve" {
        mailbox.receive(); // for ever
    }
    let clients: usize = args.get(2).and_then(|text| text.parse().ok()).unwrap_or(10);
    for number in 0..clients {
        Process::spawn_link((mailbox.this(), address.clone(), number), client);
    }
    for _ in 0..clients {
        assert_eq!(mailbox.receive(), "answered");
    }
    println!("{clients} clients were answered");
    std::process::exit(0); // the listener would wait for more
}
