// The tests that come with the crate lunatic 0.14.1, as they are published.
fn main() {}

macro_rules! published {
    ($($name:ident)*) => {
        $(#[allow(dead_code, unused_imports)]
        mod $name {
            include!(concat!(env!("LUNATIC_CRATES"), "/lunatic-0.14.1/tests/", stringify!($name), ".rs"));
        })*
    };
}

// All but serializers: it connects to the internet.
published! {
    abstract_process abstract_process_macro catch_panic config func_ref macros mailbox messaging process process_local
    protocol sqlite supervisor task timer udp
}
