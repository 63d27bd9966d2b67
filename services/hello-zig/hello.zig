// Answers every request with the same text. The request's message is in lunatic-abi.md, section 3.5.
const std = @import("std");

extern "lunatic::message" fn receive(tags: ?[*]const i64, tag_count: u32, timeout_ms: i64) u32;
extern "lunatic::message" fn data_size() u64;
extern "lunatic::message" fn read_data(to: [*]u8, length: u32) u32;
extern "lunatic::message" fn create_data(tag: i64, capacity: u64) void;
extern "lunatic::message" fn write_data(from: [*]const u8, length: u32) u32;
extern "lunatic::message" fn send(process: u64) u32;

/// Takes MessagePack values from the front of a message.
const Reader = struct {
    rest: []const u8,

    fn take(self: *Reader, count: u64) error{Malformed}![]const u8 {
        if (count > self.rest.len) return error.Malformed;
        const taken = self.rest[0..@intCast(count)];
        self.rest = self.rest[@intCast(count)..];
        return taken;
    }

    fn number(self: *Reader, width: u64) !u64 {
        var sum: u64 = 0;
        for (try self.take(width)) |byte| sum = sum << 8 | byte;
        return sum;
    }

    fn expect(self: *Reader, prefix: []const u8) !void {
        if (!std.mem.eql(u8, try self.take(prefix.len), prefix)) return error.Malformed;
    }

    fn unsigned(self: *Reader) !u64 {
        const kind: u8 = @intCast(try self.number(1));
        return switch (kind) {
            0...0x7f => kind,
            0xcc...0xd3 => self.number(@as(u64, 1) << @intCast(kind & 3)),
            else => error.Malformed,
        };
    }

    /// The bytes of the next value, whatever it is.
    fn value(self: *Reader) ![]const u8 {
        const start = self.rest;
        var values: u64 = 1;
        while (values > 0) : (values -= 1) {
            const kind: u8 = @intCast(try self.number(1));
            const one: u64 = 1;
            switch (kind) {
                0...0x7f, 0xe0...0xff => {}, // small integer
                0x80...0x8f => values += 2 * (kind & 15), // small map
                0x90...0x9f => values += kind & 15, // small array
                0xa0...0xbf => _ = try self.take(kind & 31), // short string
                0xc4...0xc6 => _ = try self.take(try self.number(one << @intCast(kind - 0xc4))), // binary
                0xcc...0xd3 => _ = try self.take(one << @intCast(kind & 3)), // integer
                0xd9...0xdb => _ = try self.take(try self.number(one << @intCast(kind - 0xd9))), // string
                0xdc, 0xdd => values += try self.number(one << @intCast(kind - 0xdb)), // array
                0xde, 0xdf => values += 2 * try self.number(one << @intCast(kind - 0xdd)), // map
                else => return error.Malformed,
            }
        }
        return start[0 .. start.len - self.rest.len];
    }
};

/// A longer message is refused.
var message: [65536]u8 = undefined;

fn answer() !void {
    if (receive(null, 0, -1) != 0 or data_size() > message.len) return error.Malformed;
    var reader: Reader = .{ .rest = message[0..read_data(&message, message.len)] };
    try reader.expect("\x81\xa7Request\x93\x91");
    const id = try reader.value();
    _ = try reader.value(); // the request itself
    try reader.expect("\x92\x00"); // [node 0, process]
    const process = try reader.unsigned();

    // {"CompleteRequest": [[id], [[200, "Http11", {"content-type": ["text/plain; charset=utf-8"]}], "Hello World!"]]}
    create_data(0, 0);
    for ([_][]const u8{
        "\x81\xafCompleteRequest\x92\x91",
        id,
        "\x92\x93\xcc\xc8\xa6Http11\x81\xaccontent-type\x91\xc4\x19text/plain; charset=utf-8",
        "\xc4\x0cHello World!",
    }) |part| _ = write_data(part.ptr, @intCast(part.len));
    _ = send(process);
}

export fn frenezulo_main() void {
    answer() catch @trap();
}
