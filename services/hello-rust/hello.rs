// Answers every request with the same text. Rust's standard library alone; the request's message is in lunatic-abi.md, section 3.5.
mod lunatic {
    #[link(wasm_import_module = "lunatic::message")]
    extern "C" {
        pub fn receive(tags: *const i64, tag_count: usize, timeout_ms: i64) -> u32;
        pub fn data_size() -> u64;
        pub fn read_data(to: *mut u8, length: usize) -> usize;
        pub fn create_data(tag: i64, capacity: u64);
        pub fn write_data(from: *const u8, length: usize) -> usize;
        pub fn send(process: u64) -> u32;
    }
}

/// Takes MessagePack values from the front of a message. `None` where it is malformed.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.0.get(..count)?;
        self.0 = &self.0[count..];
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn unsigned(&mut self) -> Option<u64> {
        match self.take(1)?[0] {
            small @ 0..=0x7f => Some(small.into()),
            wide @ 0xcc..=0xd3 => self.number(1 << (wide & 3)),
            _ => None,
        }
    }

    /// The bytes of the next value, whatever it is.
    fn value(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        let mut values = 1;
        while values > 0 {
            values -= 1;
            let payload = match self.take(1)?[0] {
                0..=0x7f | 0xe0..=0xff => 0,
                map @ 0x80..=0x8f => { values += 2 * u64::from(map & 15); 0 }
                array @ 0x90..=0x9f => { values += u64::from(array & 15); 0 }
                text @ 0xa0..=0xbf => u64::from(text & 31),
                bytes @ 0xc4..=0xc6 => self.number(1 << (bytes - 0xc4))?,
                integer @ 0xcc..=0xd3 => 1 << (integer & 3),
                text @ 0xd9..=0xdb => self.number(1 << (text - 0xd9))?,
                array @ 0xdc..=0xdd => { values += self.number(2 << (array - 0xdc))?; 0 }
                map @ 0xde..=0xdf => { values += 2 * self.number(2 << (map - 0xde))?; 0 }
                _ => return None,
            };
            self.take(payload.try_into().ok()?)?;
        }
        Some(&start[..start.len() - self.0.len()])
    }
}

/// The id of the request as it was written, and the process that waits for the answer.
fn read(message: &[u8]) -> Option<(&[u8], u64)> {
    let mut reader = Reader(message.strip_prefix(b"\x81\xa7Request\x93\x91")?);
    let id = reader.value()?;
    let _request = reader.value()?;
    let mut process = Reader(reader.0.strip_prefix(b"\x92\x00")?); // [node 0, process]
    Some((id, process.unsigned()?))
}

fn receive() -> Vec<u8> {
    unsafe {
        assert_eq!(lunatic::receive(std::ptr::null(), 0, -1), 0, "a message is expected, not a signal");
        let mut message = vec![0; lunatic::data_size() as usize];
        lunatic::read_data(message.as_mut_ptr(), message.len());
        message
    }
}

fn send(process: u64, message: &[u8]) {
    unsafe {
        lunatic::create_data(0, 0);
        lunatic::write_data(message.as_ptr(), message.len());
        lunatic::send(process);
    }
}

#[no_mangle]
pub extern "C" fn frenezulo_main() {
    let message = receive();
    let (id, process) = read(&message).expect("a request of the Rust frenezulo's form");
    // {"CompleteRequest": [[id], [[200, "Http11", {"content-type": ["text/plain; charset=utf-8"]}], "Hello World!"]]}
    let reply = [
        b"\x81\xafCompleteRequest\x92\x91",
        id,
        b"\x92\x93\xcc\xc8\xa6Http11\x81\xaccontent-type\x91\xc4\x19text/plain; charset=utf-8",
        b"\xc4\x0cHello World!",
    ];
    send(process, &reply.concat());
}
