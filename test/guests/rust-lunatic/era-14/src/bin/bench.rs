// Measures of processes, by the first argument; each prints one line of JSON:
//
//   spawn N            N processes one after the other, each answers once and ends
//   alive K N          the same with K others alive
//   ping N             N round trips between two processes
//   ring P R           R rounds of a message through P processes
//   idle N MS          N processes that wait: made, "ready", MS ms later all answer and are killed, and at once N more
//                      are made of what they left and do the same; "gone", MS ms to the end
//   skynet LEAVES      a tree with ten children a process; the leaves' numbers are summed
//   looper N           N processes answer in turns while one more spins: the slowest answer
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lunatic::{Mailbox, Process};

fn number(position: usize, otherwise: u64) -> u64 {
    std::env::args().nth(position).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn report(name: &str, count: u64, began: Instant) {
    let ms = began.elapsed().as_millis().max(1) as u64;
    println!("{{\"name\":\"{name}\",\"count\":{count},\"ms\":{ms},\"per_second\":{}}}", count * 1000 / ms);
}

/// Sends what it gets to the process that it is told of first, for ever.
fn passes_on(next: Process<u64>, mailbox: Mailbox<u64>) {
    loop {
        next.send(mailbox.receive());
    }
}

fn answers_once(parent: Process<u64>, _: Mailbox<u64>) {
    parent.send(1);
}

fn spawn_and_answer(name: &str, count: u64, mailbox: &Mailbox<u64>) {
    let began = Instant::now();
    for _ in 0..count {
        Process::spawn(mailbox.this(), answers_once);
        mailbox.receive();
    }
    report(name, count, began);
}

fn make(count: u64, mailbox: &Mailbox<u64>) -> Vec<Process<u64>> {
    (0..count).map(|_| Process::spawn(mailbox.this(), passes_on)).collect()
}

fn all_answer(name: &str, processes: &[Process<u64>], mailbox: &Mailbox<u64>) {
    let began = Instant::now();
    for (i, process) in processes.iter().enumerate() {
        process.send(i as u64);
    }
    let sum: u64 = processes.iter().map(|_| mailbox.receive()).sum();
    let count = processes.len() as u64;
    assert_eq!(sum, count * count.saturating_sub(1) / 2);
    report(name, count, began);
}

fn generation(count: u64, wait: Duration, mailbox: &Mailbox<u64>) {
    let began = Instant::now();
    let processes = make(count, mailbox);
    report("idle made", count, began);
    println!("ready");
    lunatic::sleep(wait);
    all_answer("idle answered", &processes, mailbox);
    let began = Instant::now();
    for process in &processes {
        process.kill();
    }
    while processes.iter().any(|process| process.is_alive()) {
        lunatic::sleep(Duration::from_millis(1));
    }
    report("idle killed", count, began);
}

fn idle(count: u64, wait: Duration, mailbox: &Mailbox<u64>) {
    for _ in 0..2 {
        generation(count, wait, mailbox);
    }
    println!("gone");
    lunatic::sleep(wait);
}

fn ring(size: u64, rounds: u64, mailbox: &Mailbox<u64>) {
    let mut next = mailbox.this();
    for _ in 1..size {
        next = Process::spawn(next, passes_on);
    }
    let began = Instant::now();
    for round in 0..rounds {
        next.send(round);
        assert_eq!(mailbox.receive(), round);
    }
    report("ring", size * rounds, began);
}

/// Ten children for each process, down to the leaves, which tell their number.
fn skynet((parent, first, leaves): (Process<u64>, u64, u64), mailbox: Mailbox<u64>) {
    if leaves == 1 {
        return parent.send(first);
    }
    let share = leaves / 10;
    for i in 0..10 {
        Process::spawn((mailbox.this(), first + i * share, share), skynet);
    }
    parent.send((0..10).map(|_| mailbox.receive()).sum());
}

fn spins(_: (), _: Mailbox<()>) {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    loop {
        TURNS.fetch_add(1, Ordering::Relaxed);
    }
}

fn looper(count: u64, mailbox: &Mailbox<u64>) {
    let processes = make(count, mailbox);
    let spinner = Process::spawn((), spins);
    let (mut slowest, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        for process in &processes {
            let asked = Instant::now();
            process.send(1);
            mailbox.receive();
            slowest = slowest.max(asked.elapsed().as_millis());
        }
    }
    let killed = Instant::now();
    spinner.kill();
    while spinner.is_alive() {
        lunatic::sleep(Duration::from_millis(1));
    }
    let kill_ms = killed.elapsed().as_millis();
    assert!(processes.iter().all(|process| process.is_alive()));
    println!("{{\"name\":\"looper\",\"count\":{count},\"slowest_ms\":{slowest},\"kill_ms\":{kill_ms}}}");
}

#[lunatic::main]
fn main(mailbox: Mailbox<u64>) {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "spawn" => spawn_and_answer("spawn", number(2, 1000), &mailbox),
        "alive" => {
            let _others = make(number(2, 100), &mailbox);
            spawn_and_answer("alive", number(3, 1000), &mailbox);
        }
        "ping" => {
            let other = Process::spawn(mailbox.this(), passes_on);
            let (count, began) = (number(2, 10_000), Instant::now());
            for i in 0..count {
                other.send(i);
                assert_eq!(mailbox.receive(), i);
            }
            report("ping", 2 * count, began);
        }
        "ring" => ring(number(2, 1000), number(3, 10), &mailbox),
        "idle" => idle(number(2, 1000), Duration::from_millis(number(3, 0)), &mailbox),
        "skynet" => {
            let (leaves, began) = (number(2, 1000), Instant::now());
            Process::spawn((mailbox.this(), 0, leaves), skynet);
            assert_eq!(mailbox.receive(), leaves * (leaves - 1) / 2);
            report("skynet", leaves, began);
        }
        "looper" => looper(number(2, 100), &mailbox),
        _ => panic!("{what:?} is none of spawn, alive, ping, ring, idle, skynet, looper"),
    }
}
