// What `frenezulo run` gives a program and takes from it, by the first argument:
//
//   args          prints its arguments and variables, one a line
//   ok            prints from a child and from itself, ends normally while a child waits
//   exit N        std::process::exit(N)
//   panic         panics in a function with a name
//   link          a linked child panics
//   supervise     a supervisor of lunatic-rs restarts a child that panics, three times
use std::time::Duration;

use lunatic::ap::{AbstractProcess, Config, ProcessRef};
use lunatic::supervisor::{Supervisor, SupervisorConfig, SupervisorStrategy};
use lunatic::{abstract_process, spawn, spawn_link, Mailbox};

struct Worker {
    handled: u32,
}

#[abstract_process]
impl Worker {
    #[init]
    fn init(_: Config<Self>, _: ()) -> Result<Self, ()> {
        Ok(Worker { handled: 0 })
    }

    #[handle_request]
    fn work(&mut self) -> u32 {
        self.handled += 1;
        self.handled
    }

    #[handle_message]
    fn fail(&self) {
        panic!("this worker was told to fail");
    }
}

struct Boss;

impl Supervisor for Boss {
    type Arg = ();
    type Children = (Worker,);

    fn init(config: &mut SupervisorConfig<Self>, _: ()) {
        config.set_strategy(SupervisorStrategy::OneForOne);
        config.set_args(((),));
        config.set_names((Some("worker".into()),));
    }
}

fn supervise() {
    let boss = Boss::link().start(()).expect("a supervisor");
    for turn in 1..=3 {
        let worker = ProcessRef::<Worker>::lookup(&"worker").expect("a worker");
        assert_eq!(worker.work(), 1);
        assert_eq!(worker.work(), 2);
        worker.fail();
        while worker.is_alive() {
            lunatic::sleep(Duration::from_millis(1));
        }
        while ProcessRef::<Worker>::lookup(&"worker").map_or(true, |next| !next.is_alive()) {
            lunatic::sleep(Duration::from_millis(1));
        }
        println!("restarted {turn}");
    }
    boss.shutdown();
    println!("shut down");
}

#[inline(never)]
fn function_with_a_name(text: &str) {
    panic!("{text}");
}

#[lunatic::main]
fn main(mailbox: Mailbox<()>) {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("args") => {
            args.iter().skip(1).for_each(|arg| println!("argument {arg}"));
            std::env::vars().for_each(|(key, value)| println!("variable {key}={value}"));
        }
        Some("ok") => {
            let parent = mailbox.this();
            spawn!(|parent| {
                println!("from the child");
                eprintln!("from the child's standard error");
                parent.send(());
                lunatic::sleep(Duration::from_secs(3600));
            });
            mailbox.receive();
            println!("from the first process");
        }
        Some("exit") => std::process::exit(args[2].parse().expect("a number")),
        Some("panic") => function_with_a_name("the program's own panic"),
        Some("link") => {
            spawn_link!(|| panic!("the child's panic"));
            mailbox.receive();
        }
        Some("supervise") => supervise(),
        other => panic!("{other:?} is none of args, ok, exit, panic, link, supervise"),
    }
}
