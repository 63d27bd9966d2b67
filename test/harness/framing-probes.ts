// The table of raw requests that two HTTP parsers could read differently, each with what both acceptors do with it.
//
// Written from the RFCs and from the published classes of cases (the conformance list of uWebSockets.js, the desync
// classes of CL.TE, TE.CL, TE.TE and CL.CL, llhttp's strictness cases); reliability.md §3.4.
import type { AcceptorName } from "./tiny-front.ts";

/**
 * A status: the first answer. "silent": neither answer nor close, and nothing dispatched (uWS waits for more until its
 * idle time-out). "closed": closed without an answer.
 */
export type Verdict = number | "silent" | "closed";

export interface Probe {
  readonly name: string;
  /** One character, one byte. */
  readonly bytes: string;
  readonly expected: Readonly<Record<AcceptorName, Verdict>>;
}

const HOST = "Host: a\r\n";
const probes: Probe[] = [];

/** `uws` and `node` are the verdicts; one alone holds for both. */
function probe(name: string, bytes: string, uws: Verdict, node: Verdict = uws): void {
  probes.push({ name, bytes, expected: { uws, node } });
}

const line = (name: string, requestLine: string, uws: Verdict, node?: Verdict): void =>
  probe(`request line: ${name}`, `${requestLine}\r\n${HOST}\r\n`, uws, node);
const target = (name: string, path: string, uws: Verdict, node?: Verdict): void =>
  probe(`target: ${name}`, `GET ${path} HTTP/1.1\r\n${HOST}\r\n`, uws, node);
const host = (name: string, headers: string, uws: Verdict, node?: Verdict): void =>
  probe(`host: ${name}`, `GET /x HTTP/1.1\r\n${headers}\r\n`, uws, node);
const header = (name: string, headers: string, uws: Verdict, node?: Verdict): void =>
  probe(`header: ${name}`, `GET /x HTTP/1.1\r\n${HOST}${headers}\r\n`, uws, node);
const length = (name: string, headers: string, body: string, uws: Verdict, node?: Verdict): void =>
  probe(`length: ${name}`, `POST /x HTTP/1.1\r\n${HOST}${headers}\r\n${body}`, uws, node);
const coding = (name: string, headers: string, uws: Verdict, node?: Verdict): void =>
  probe(`coding: ${name}`, `POST /x HTTP/1.1\r\n${HOST}${headers}\r\n3\r\nabc\r\n0\r\n\r\n`, uws, node);
const chunks = (name: string, body: string, uws: Verdict, node?: Verdict): void =>
  probe(`chunks: ${name}`, `POST /x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`, uws, node);

// RFC 9112 §3 request line; RFC 9110 §9 methods; DECISIONS 4.4.
line("plain", "GET /x HTTP/1.1", 200);
line("unknown method", "FOO /x HTTP/1.1", 501, 400);
line("method of another protocol", "PROPFIND /x HTTP/1.1", 501);
line("lower-case method", "get /x HTTP/1.1", 501, 400);
line("method that is no token", "G(T /x HTTP/1.1", 400);
line("method with a colon", "GET: /x HTTP/1.1", 400);
line("TRACE", "TRACE /x HTTP/1.1", 501);
line("CONNECT to a path", "CONNECT /x HTTP/1.1", 501);
line("CONNECT to an authority", "CONNECT a:80 HTTP/1.1", 505, 501);
line("asterisk-form", "OPTIONS * HTTP/1.1", 505, 400);
line("absolute-form", "GET http://a/x HTTP/1.1", 505, 400);
line("absolute-form of another scheme", "GET ftp://a/x HTTP/1.1", 505, 400);
line("authority-form with GET", "GET a:80 HTTP/1.1", 505, 400);
line("HTTP/1.0", "GET /x HTTP/1.0", 505);
line("HTTP/1.2", "GET /x HTTP/1.2", 505);
line("HTTP/2.0", "GET /x HTTP/2.0", 505);
line("HTTP/0.9 by name", "GET /x HTTP/0.9", 505);
line("HTTP/1.10", "GET /x HTTP/1.10", 505);
line("version without digits", "GET /x HTTP/x.y", 505);
line("lower-case protocol", "GET /x http/1.1", 505, 400);
line("another protocol", "GET /x ICE/1.1", 505, 400);
line("no version", "GET /x", 505);
line("no target", "GET HTTP/1.1", 505, 400);
line("nothing but a method", "GET", 505, 400);
line("two blanks before the target", "GET  /x HTTP/1.1", 505, 200);
line("two blanks before the version", "GET /x  HTTP/1.1", 505, 200);
line("tabs for blanks", "GET\t/x\tHTTP/1.1", 505, 400);
line("blank before the method", " GET /x HTTP/1.1", 505, 400);
line("blank after the version", "GET /x HTTP/1.1 ", 505);
line("words after the version", "GET /x HTTP/1.1 y", 505);
line("the preface of HTTP/2", "PRI * HTTP/2.0", 505);
probe("request line: an empty line before it", `\r\nGET /x HTTP/1.1\r\n${HOST}\r\n`, 505, 200);
probe("request line: ended by LF", `GET /x HTTP/1.1\n${HOST}\r\n`, 505);
probe("request line: ended by CR", `GET /x HTTP/1.1\r${HOST}\r\n`, 505, 400);
probe("request line: bytes of a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 505, 400);

// RFC 9112 §3.2.1, RFC 3986; reliability.md §3.6.
target("fragment", "/x#y", 400);
target("bytes above ASCII", "/\xc3\xa9", 400);
target("control character", "/\x01", 505, 400);
target("DEL", "/\x7f", 400);
target("backslash", "/a\\..\\b", 400);
target("two slashes", "//a", 400);
target("dot segments", "/a/../b", 400);
target("encoded dot segments", "/a/%2e%2e/b", 400);
target("encoded slash", "/a%2fb", 400);
target("encoded NUL", "/a%00b", 400);
target("encoded CR LF", "/a%0d%0ab", 400);
target("overlong UTF-8", "/%c0%ae%c0%ae/b", 400);
target("bad percent sign", "/a%zz", 400);
target("query of high bytes", "/a?\xff", 400);

// RFC 9112 §3.2, RFC 9110 §7.2.
host("none", "", "silent", 400);
host("two", "Host: a\r\nHost: b\r\n", 400);
host("two alike", "Host: a\r\nHost: a\r\n", 400);
host("empty", "Host: \r\n", 400);
host("with user information", "Host: u@a\r\n", 400);
host("with a path", "Host: a/b\r\n", 400);
host("with a list", "Host: a, b\r\n", 400);
host("with a bad port", "Host: a:x\r\n", 400);
host("folded", "Host:\r\n a\r\n", "silent", 400);
host("in a name with a blank", "Host : a\r\n", "silent", 400);

// RFC 9112 §5, RFC 9110 §5.
header("blank before the colon", "X-A : b\r\n", "silent", 400);
header("tab before the colon", "X-A\t: b\r\n", "silent", 400);
header("folded by a blank", "X-A: b\r\n c\r\n", "silent", 400);
header("folded by a tab", "X-A: b\r\n\tc\r\n", "silent", 400);
header("no colon", "X-A\r\n", "silent", 400);
header("no name", ": b\r\n", 200, 400);
header("name with parentheses", "X(A): b\r\n", "silent", 400);
header("name with high bytes", "X-\xc3\xa9: b\r\n", "silent", 400);
header("name with NUL", "X\x00A: b\r\n", "silent", 400);
header("name with CR", "X\rA: b\r\n", "silent", 400);
header("value with NUL", "X-A: b\x00c\r\n", "silent", 400);
header("value with a control character", "X-A: b\x01c\r\n", "silent", 400);
header("value with a bare CR", "X-A: b\rc\r\n", "silent", 400);
header("value with a bare LF", "X-A: b\nX-B: c\r\n", "silent", 400);
header("value with DEL", "X-A: b\x7fc\r\n", 400);
header("value that is not UTF-8", "X-A: b\xffc\r\n", 400);
header("value with a tab", "X-A: b\tc\r\n", 200);
header("value of UTF-8", "X-A: b\xc3\xa9c\r\n", 200);
header("empty value", "X-A:\r\n", 200);
header("underscores in the name", "Content_Length: 5\r\n", "silent", 200);
header("name of other token characters", "X!#$%&'*+.^_`|~: b\r\n", "silent", 200);
header("ended by LF only", "X-A: b\n", "silent", 400);
header("64 of them", many(63), 200);
header("65 of them", many(64), 431);
header("98 of them", many(97), 431);
header("99 of them", many(98), "silent", 431);
header("more than 16 KiB", `X-A: ${"b".repeat(17_000)}\r\n`, 431);
header("a lone CR LF CR in the head", "X-A: b\r\n\r", "silent", 400);

// RFC 9112 §6.2, §6.3; CL.CL and CL.0.
length("plain", "Content-Length: 3\r\n", "abc", 200);
length("none, and no body", "", "", 200);
length("leading zeros", "Content-Length: 0003\r\n", "abc", 200);
length("blanks around it", "Content-Length:   3  \r\n", "abc", 200);
length("two", "Content-Length: 3\r\nContent-Length: 4\r\n", "abcd", 400);
length("two alike", "Content-Length: 3\r\nContent-Length: 3\r\n", "abc", 400);
length("two, of other case", "Content-Length: 3\r\ncontent-length: 0\r\n", "abc", 400);
length("list", "Content-Length: 3, 3\r\n", "abc", 400);
length("empty", "Content-Length: \r\n", "abc", 400);
length("negative", "Content-Length: -3\r\n", "abc", 400);
length("with a plus", "Content-Length: +3\r\n", "abc", 400);
length("hexadecimal", "Content-Length: 0x3\r\n", "abc", 400);
length("with a fraction", "Content-Length: 3.0\r\n", "abc", 400);
length("with letters behind", "Content-Length: 3abc\r\n", "abc", 400);
length("with a blank inside", "Content-Length: 3 0\r\n", "abc", 400);
length("in quotes", 'Content-Length: "3"\r\n', "abc", 400);
length("of 16 digits", "Content-Length: 0000000000000003\r\n", "abc", 400, 400);
length("beyond 64 bits", "Content-Length: 18446744073709551619\r\n", "abc", 400);
length("behind a vertical tab", "Content-Length: \x0b3\r\n", "abc", "silent", 400);
length("behind a blank in the name", "Content-Length : 3\r\n", "abc", "silent", 400);
length("folded", "Content-Length:\r\n 3\r\n", "abc", "silent", 400);
length("hidden behind a header without a name", ": x\r\nContent-Length: 3\r\n", "abc", 200, 400);
length("hidden by a bare LF", "X-A: b\nContent-Length: 3\r\n", "abc", "silent", 400);
length("hidden by a bare CR", "X-A: b\rContent-Length: 3\r\n", "abc", "silent", 400);

// RFC 9112 §6.1, §7; TE.CL, CL.TE and TE.TE.
coding("plain", "Transfer-Encoding: chunked\r\n", 200);
coding("behind Content-Length", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400);
coding("before Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400);
coding("with Content-Length 0", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400);
coding("two", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400);
coding("two, the second identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400);
coding("two, the first identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 400);
coding("identity", "Transfer-Encoding: identity\r\n", 400);
coding("gzip", "Transfer-Encoding: gzip\r\n", 400);
coding("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", 400);
coding("chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n", 400);
coding("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", 400);
coding("xchunked", "Transfer-Encoding: xchunked\r\n", 400);
coding("upper-case", "Transfer-Encoding: CHUNKED\r\n", 400);
coding("empty", "Transfer-Encoding: \r\n", 505, 400);
coding("with a parameter", "Transfer-Encoding: chunked;a=b\r\n", 400);
coding("in quotes", 'Transfer-Encoding: "chunked"\r\n', 400);
coding("with a comma behind", "Transfer-Encoding: chunked,\r\n", 400);
coding("behind a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", "silent", 400);
coding("before NUL", "Transfer-Encoding: chunked\x00\r\n", "silent", 400);
coding("behind a blank in the name", "Transfer-Encoding : chunked\r\n", "silent", 400);
coding("behind a tab in the name", "Transfer-Encoding\t: chunked\r\n", "silent", 400);
coding("folded", "Transfer-Encoding:\r\n chunked\r\n", "silent", 400);
coding("behind a blank at the line's begin", " Transfer-Encoding: chunked\r\n", "silent", 400);
coding("hidden by a bare LF", "X-A: b\nTransfer-Encoding: chunked\r\n", "silent", 400);
coding("named with an underscore", "Transfer_Encoding: chunked\r\n", "silent", "closed");
coding("behind high bytes", "Transfer-Encoding: \xffchunked\r\n", 200, 400);

// RFC 9112 §7.1.
chunks("none but the last", "0\r\n\r\n", 200);
chunks("two", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200);
chunks("size in upper and lower case", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 200);
chunks("size with zeros before it", "0003\r\nabc\r\n000\r\n\r\n", 200);
chunks("size that is no number", "xyz\r\nabc\r\n0\r\n\r\n", 400);
chunks("size that is negative", "-3\r\nabc\r\n0\r\n\r\n", 400);
chunks("size with a plus", "+3\r\nabc\r\n0\r\n\r\n", 400);
chunks("size with 0x", "0x3\r\nabc\r\n0\r\n\r\n", 400);
chunks("size of 17 digits", "11111111111111111\r\nabc\r\n0\r\n\r\n", 400);
chunks("size beyond 64 bits", "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", 400);
chunks("size that wraps 32 bits", "100000003\r\nabc\r\n0\r\n\r\n", "silent");
chunks("size that is missing", "\r\nabc\r\n0\r\n\r\n", 505, 400);
chunks("size above what follows", "5\r\nabc\r\n0\r\n\r\n", 200, 400);
chunks("size below what follows", "2\r\nabc\r\n0\r\n\r\n", 200, 400);
chunks("blank before the size", " 3\r\nabc\r\n0\r\n\r\n", 505, 400);
chunks("blank behind the size", "3 \r\nabc\r\n0\r\n\r\n", 200, 400);
chunks("extension", "3;a=b\r\nabc\r\n0\r\n\r\n", "silent", 200);
chunks("extension with a bare LF", "3;a=b\nabc\r\n0\r\n\r\n", "silent", 400);
chunks("size ended by LF", "3\nabc\r\n0\r\n\r\n", 200, 400);
chunks("size ended by CR", "3\rabc\r\n0\r\n\r\n", "silent", 400);
chunks("data without its CR LF", "3\r\nabcXX0\r\n\r\n", 200, 400);
chunks("data with LF only", "3\r\nabc\n0\r\n\r\n", 200, 400);
chunks("no last one", "3\r\nabc\r\n", "silent", "silent");
chunks("last one without its empty line", "3\r\nabc\r\n0\r\n", 200, "silent");
chunks("trailer", "3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", 505, 200);
chunks("trailer that names a length", "3\r\nabc\r\n0\r\nContent-Length: 30\r\n\r\n", 505, 400);

/** All of them. Not to be changed. */
export const framingProbes: readonly Probe[] = probes;

function many(count: number): string {
  return Array.from({ length: count }, (_, i) => `X-${i}: v\r\n`).join("");
}
