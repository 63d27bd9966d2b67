// Tests that the crate does not bring: who learns of whose end, by how they are tied and how the end comes; monitors;
// many children; names and timers of the dead. For `frenezulo test`.
use std::time::Duration;

use lunatic::ap::{AbstractProcess, Config, ProcessRef};
use lunatic::panic::catch_panic;
use lunatic::{
    abstract_process, sleep, test, LinkDiedSignal, Mailbox, MessageSignal, Process, ProcessConfig, ProcessDiedSignal,
    Tag,
};
use serde::{Deserialize, Serialize};

fn main() {}

/// How a child ends.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
enum End {
    Normal,
    Panic,
    Exit(i32),
    Killed,
}

const ENDS: [End; 5] = [End::Normal, End::Panic, End::Exit(0), End::Exit(3), End::Killed];

impl End {
    fn is_failure(self) -> bool {
        !matches!(self, End::Normal | End::Exit(0))
    }
}

fn ends_when_told(end: End, mailbox: Mailbox<()>) {
    mailbox.receive();
    match end {
        End::Normal => {}
        End::Panic => panic!("told to"),
        End::Exit(code) => std::process::exit(code),
        End::Killed => sleep(Duration::from_secs(3600)),
    }
}

fn bring_about(end: End, child: Process<()>) {
    child.send(());
    if end == End::Killed {
        child.kill();
    }
}

fn await_end<T, U>(process: &Process<T, U>) {
    while process.is_alive() {
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn linked_parent_is_told_of_failures_only(mailbox: Mailbox<()>) {
    let mailbox = mailbox.catch_link_failure();
    for end in ENDS {
        let tag = Tag::new();
        let child = Process::spawn_link_tag(end, tag, ends_when_told);
        bring_about(end, child);
        let told = mailbox.receive_timeout(Duration::from_millis(if end.is_failure() { 300_000 } else { 50 }));
        match told {
            Ok(MessageSignal::Signal(LinkDiedSignal(seen))) => {
                assert!(end.is_failure() && seen.id() == tag.id(), "{end:?}");
            }
            Err(error) => assert!(error.is_timed_out() && !end.is_failure(), "{end:?}"),
            Ok(MessageSignal::Message(())) => panic!("nobody sends"),
        }
    }
}

#[test]
fn monitor_is_told_of_every_end(mailbox: Mailbox<()>) {
    let mailbox = mailbox.monitorable();
    for end in ENDS {
        let child = Process::spawn(end, ends_when_told);
        mailbox.monitor(child);
        bring_about(end, child);
        match mailbox.receive() {
            MessageSignal::Signal(ProcessDiedSignal(id)) => assert_eq!(id, child.id(), "{end:?}"),
            MessageSignal::Message(()) => panic!("nobody sends"),
        }
        assert!(!child.is_alive());
    }
}

#[test]
fn linked_child_dies_with_a_failing_parent_only(mailbox: Mailbox<Process<()>>) {
    for end in ENDS {
        let parent = Process::spawn((mailbox.this(), end), |(test, end), mailbox: Mailbox<()>| {
            test.send(Process::spawn_link(End::Normal, ends_when_told));
            ends_when_told(end, mailbox);
        });
        let child = mailbox.receive();
        bring_about(end, parent);
        await_end(&parent);
        if end.is_failure() {
            await_end(&child);
        } else {
            sleep(Duration::from_millis(30));
            assert!(child.is_alive(), "{end:?}");
            child.kill();
        }
    }
}

#[test]
#[should_panic(expected = "the message of this panic")]
fn the_message_of_a_panic_is_seen() {
    panic!("here is the message of this panic");
}

#[test]
#[ignore]
fn an_ignored_test() {
    panic!("it must not run");
}

#[test]
fn a_hundred_children_are_joined(mailbox: Mailbox<u64>) {
    for i in 0..100 {
        Process::spawn_link((mailbox.this(), i), |(parent, i), _: Mailbox<()>| parent.send(i * i));
    }
    assert_eq!((0..100).map(|_| mailbox.receive()).sum::<u64>(), 328_350);
}

#[test]
fn three_eras_of_tags(mailbox: Mailbox<u32>) {
    let (one, two) = (Tag::special(64).unwrap(), Tag::special(65).unwrap());
    let this = mailbox.this();
    this.send(1);
    this.tag_send(two, 2);
    this.tag_send(one, 3);
    assert_eq!(mailbox.tag_receive(&[one]), 3);
    assert_eq!(mailbox.tag_receive(&[one, two]), 2);
    assert!(mailbox.tag_receive_timeout(&[one, two], Duration::from_millis(10)).unwrap_err().is_timed_out());
    assert_eq!(mailbox.receive(), 1);
}

#[test]
fn timers_come_in_order_and_can_be_cancelled(mailbox: Mailbox<u32>) {
    let this = mailbox.this();
    let cancelled = this.send_after(9, Duration::from_millis(1000));
    for i in [3, 1, 2] {
        this.send_after(i, Duration::from_millis(u64::from(i) * 400));
    }
    assert!(cancelled.cancel());
    assert_eq!([mailbox.receive(), mailbox.receive(), mailbox.receive()], [1, 2, 3]);
    assert!(mailbox.receive_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn names_end_with_their_process() {
    let child = Process::spawn(End::Panic, ends_when_told);
    child.register(&"mortal");
    assert_eq!(Process::<()>::lookup(&"mortal").map(|found| found.id()), Some(child.id()));
    child.send(());
    await_end(&child);
    assert!(Process::<()>::lookup(&"mortal").is_none());
}

#[test]
fn catch_panic_of_a_process_that_waits(mailbox: Mailbox<u32>) {
    let this = mailbox.this();
    let caught = catch_panic(|| {
        this.send(5);
        sleep(Duration::from_millis(5));
        panic!("caught after a wait");
    });
    assert!(caught.is_err());
    assert_eq!(mailbox.receive(), 5);
}

#[test]
fn a_child_has_the_memory_it_was_given(mailbox: Mailbox<bool>) {
    let mut config = ProcessConfig::new().unwrap();
    config.set_max_memory(3_000_000);
    for (bytes, fits) in [(100_000, true), (3_000_000, false)] {
        let mailbox = unsafe { Mailbox::<bool>::new() }.catch_link_failure();
        let this = unsafe { Process::<bool>::this() };
        Process::spawn_link_config(&config, (this, bytes), |(parent, bytes): (Process<bool>, usize), _: Mailbox<()>| {
            parent.send(vec![1u8; bytes].iter().all(|byte| *byte == 1));
        });
        assert_eq!(mailbox.receive().is_message(), fits);
    }
    drop(mailbox);
}

struct Counter(u32);

#[abstract_process]
impl Counter {
    #[init]
    fn init(_: Config<Self>, from: u32) -> Result<Self, String> {
        if from > 1000 {
            return Err(format!("{from} is too much"));
        }
        assert!(from != 1000, "1000 is not counted from");
        Ok(Counter(from))
    }

    #[handle_request]
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

#[test]
fn an_abstract_process_has_one_name() {
    let counter = Counter::start_as(&"counter", 5).unwrap();
    assert_eq!(counter.next(), 6);
    assert!(Counter::start_as(&"counter", 50).is_err());
    assert_eq!(ProcessRef::<Counter>::lookup(&"counter").unwrap().next(), 7);
    counter.kill();
    while counter.is_alive() {
        sleep(Duration::from_millis(1));
    }
    assert_eq!(Counter::start_as(&"counter", 70).unwrap().next(), 71);
}

#[test]
fn an_abstract_process_may_not_start() {
    assert!(Counter::start(1000).is_err());
    assert!(Counter::start(2000).is_err());
    assert_eq!(Counter::start(1).unwrap().next(), 2);
}

/// Every process asks its own children, three deep, and each level waits in a request.
fn asks_down((parent, depth): (Process<u32>, u32), mailbox: Mailbox<u32>) {
    if depth == 0 {
        return parent.send(1);
    }
    for _ in 0..4 {
        Process::spawn_link((mailbox.this(), depth - 1), asks_down);
    }
    parent.send((0..4).map(|_| mailbox.receive()).sum());
}

#[test]
fn a_tree_of_processes(mailbox: Mailbox<u32>) {
    Process::spawn_link((mailbox.this(), 4), asks_down);
    assert_eq!(mailbox.receive(), 256);
}
