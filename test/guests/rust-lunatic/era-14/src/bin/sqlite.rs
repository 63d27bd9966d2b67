// lunatic::sqlite through the crate's own client, and through the bindings of lunatic-sqlite-api for what the client
// does not offer: its serde types and bincode make and read the bytes. For `frenezulo test --dir FOLDER::/db`.
//
// The client ignores the id that `open` gives and takes 0: it serves a process's first connection only.
use lunatic::ap::{AbstractProcess, Config};
use lunatic::sqlite::{Query, SqliteClient, SqliteCode, SqliteError, Value};
use lunatic::{abstract_process, test, Mailbox, MessageSignal, Process};
use lunatic_sqlite_api::guest_api::sqlite_guest_bindings as host;
use lunatic_sqlite_api::wire_format::{BindKey, BindList, BindPair, BindValue, SqliteRow, SqliteValue};
use serde::de::DeserializeOwned;

fn main() {}

fn in_memory() -> SqliteClient {
    SqliteClient::connect(":memory:").expect("a database in memory")
}

fn ints(client: &SqliteClient, sql: &str) -> Vec<i64> {
    client.query(sql).into_iter().flatten().map(|value| value.into_int64().expect("an integer")).collect()
}

/// A statement of the process's first connection.
struct Raw(u64);

/// What the host allocated: freed here with its length as its capacity, as the crate does.
fn given(call: impl Fn(*mut u32) -> u32) -> Vec<u8> {
    let mut length = 0;
    let pointer = call(&mut length);
    unsafe { Vec::from_raw_parts(pointer as *mut u8, length as usize, length as usize) }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> T {
    let mut rest = bytes;
    let value = bincode::deserialize_from(&mut rest).expect("bincode");
    assert!(rest.is_empty(), "{} bytes are left over", rest.len());
    value
}

impl Raw {
    fn prepare(sql: &str) -> Self {
        Raw(unsafe { host::query_prepare(0, sql.as_ptr(), sql.len() as u32) })
    }

    fn bind(&self, pairs: Vec<(BindKey, BindValue)>) {
        let list = BindList(pairs.into_iter().map(|(key, value)| BindPair(key, value)).collect());
        let bytes = bincode::serialize(&list).unwrap();
        unsafe { host::bind_value(self.0, bytes.as_ptr() as u32, bytes.len() as u32) }
    }

    fn step(&self) -> u32 {
        unsafe { host::sqlite3_step(self.0) }
    }

    fn row(&self) -> Vec<Value> {
        let SqliteRow(row) = read(&given(|length| unsafe { host::read_row(self.0, length) }));
        row.into_iter().map(Value::from).collect()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        unsafe { host::sqlite3_finalize(self.0) }
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn every_kind_of_value_is_bound_and_comes_back() {
    let db = in_memory();
    db.execute("CREATE TABLE kinds (n, b BLOB, t TEXT, d REAL, f REAL, i INTEGER, l INTEGER, o)").unwrap();
    let done = db
        .prepare_query("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(())
        .bind(vec![0u8, 255, 10])
        .bind("zażółć 🦀 \0 and on")
        .bind(-0.1)
        .bind(0.5f32)
        .bind(i32::MIN)
        .bind(i64::MIN)
        .bind(None::<i32>)
        .execute();
    assert!(done.is_empty());
    assert_eq!(
        db.query("SELECT * FROM kinds"),
        [[
            Value::Null,
            Value::Blob(vec![0, 255, 10]),
            text("zażółć 🦀 \0 and on"),
            Value::Double(-0.1),
            Value::Double(0.5),
            Value::Int64(i32::MIN.into()),
            Value::Int64(i64::MIN),
            Value::Null,
        ]]
    );
    let types = "SELECT typeof(n), typeof(b), typeof(t), typeof(d), typeof(f), typeof(i), typeof(l) FROM kinds";
    let types: Vec<_> = db.query(types).remove(0).into_iter().map(|value| value.into_text().unwrap()).collect();
    assert_eq!(types, ["null", "blob", "text", "real", "real", "integer", "integer"]);
}

#[test]
fn edges_of_values_come_back() {
    let db = in_memory();
    let long = "é".repeat(10_000);
    let blob: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    let values = vec![
        text(""),
        Value::Blob(vec![]),
        text(&long),
        Value::Blob(blob),
        Value::Double(f64::INFINITY),
        Value::Double(f64::MIN_POSITIVE),
        Value::Int64(i64::MAX),
        Value::Int64(-1),
    ];
    let mut statement = db.prepare_query("SELECT ?, ?, ?, ?, ?, ?, ?, ?");
    for value in values.clone() {
        statement = statement.bind(value);
    }
    assert_eq!(statement.execute(), [values]);
    assert_eq!(db.prepare_query("SELECT ?").bind(f64::NAN).execute(), [[Value::Null]], "SQLite has no NaN");
    assert_eq!(db.query("SELECT 1 WHERE 0"), Vec::<Vec<Value>>::new());
}

#[test]
fn names_are_bound() {
    let db = in_memory();
    let rows = db
        .prepare_query("SELECT :first, @second, $third, :first || '!', :left_out")
        .bind_named("$third", 3)
        .bind_named(":first", "one")
        .bind_named("@second", 2.5)
        .execute();
    assert_eq!(rows, [[text("one"), Value::Double(2.5), Value::Int64(3), text("one!"), Value::Null]]);
}

#[test]
fn numbers_and_places_are_bound() {
    let _db = in_memory();
    let statement = Raw::prepare("SELECT ?2, ?1, ?7");
    statement.bind(vec![
        (BindKey::Numeric(7), BindValue::Text("seven".into())),
        (BindKey::Numeric(1), BindValue::Int64(1 << 40)),
        (BindKey::Numeric(2), BindValue::Int(-2)),
    ]);
    assert_eq!(statement.step(), 100);
    assert_eq!(statement.row(), [Value::Int64(-2), Value::Int64(1 << 40), text("seven")]);
    assert_eq!(statement.step(), 101);

    let statement = Raw::prepare("SELECT ?, ?");
    statement.bind(vec![(BindKey::None, BindValue::Blob(vec![1])), (BindKey::None, BindValue::Null)]);
    assert_eq!(statement.step(), 100);
    assert_eq!(statement.row(), [Value::Blob(vec![1]), Value::Null]);
}

#[test]
fn numbers_and_names_are_bound_in_one_list() {
    let db = in_memory();
    let rows = db.prepare_query("SELECT ?1, :name, ?3").bind(1).bind_named(":name", "two").execute();
    assert_eq!(rows, [[Value::Int64(1), text("two"), Value::Null]]);
}

#[test]
fn columns_have_names_and_are_read_one_by_one() {
    let db = in_memory();
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, \"größe\" REAL); INSERT INTO t VALUES (7, 1.5)").unwrap();
    let statement = Raw::prepare("SELECT id, \"größe\", 'x' AS \"\" FROM t");
    assert_eq!(unsafe { host::column_count(statement.0) }, 3);
    let names: Vec<String> = read(&given(|length| unsafe { host::column_names(statement.0, length) }));
    assert_eq!(names, ["id", "größe", ""]);
    for (at, name) in names.iter().enumerate() {
        let bytes = given(|length| unsafe { host::column_name(statement.0, at as u32, length) });
        assert_eq!(std::str::from_utf8(&bytes), Ok(name.as_str()));
    }
    assert_eq!(statement.step(), 100);
    let column =
        |at| read::<SqliteValue>(&given(|length| unsafe { host::read_column(statement.0, at, length) })).into();
    let columns: Vec<Value> = (0..3).map(column).collect();
    assert_eq!(columns, [Value::Int64(7), Value::Double(1.5), text("x")]);
    assert_eq!(columns, statement.row());
}

#[test]
fn errors_have_a_code_and_a_text() {
    let db = in_memory();
    let error = db.execute("SELECT * FROM nowhere").unwrap_err();
    assert_eq!((error.code, error.message), (SqliteCode::Error, None));
    let last = SqliteError::last(db);
    assert_eq!(last.code, SqliteCode::Error);
    assert_eq!(last.message.as_deref(), Some("no such table: nowhere"));

    db.execute("CREATE TABLE t (a UNIQUE)").unwrap();
    let error = db.execute("INSERT INTO t VALUES (1), (1)").unwrap_err();
    assert_eq!(error.code, SqliteCode::Constraint);
    let last = SqliteError::last(db);
    assert_eq!(last.code, SqliteCode::Constraint);
    assert_eq!(last.message.as_deref(), Some("UNIQUE constraint failed: t.a"));

    // As the host means it: the code is a number there.
    let bytes = given(|length| unsafe { host::last_error(0, length) });
    let last: lunatic_sqlite_api::wire_format::SqliteError = read(&bytes);
    assert_eq!((last.code, last.message.as_deref()), (Some(19), Some("UNIQUE constraint failed: t.a")));
    assert_eq!(ints(&db, "SELECT count(*) FROM t"), [0]);
}

#[test]
fn changes_are_counted() {
    let db = in_memory();
    db.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    assert_eq!(unsafe { host::sqlite3_changes(0) }, 3);
    db.prepare_query("UPDATE t SET a = a + ? WHERE a > ?").bind(10).bind(1).execute();
    assert_eq!(unsafe { host::sqlite3_changes(0) }, 2);
    db.query("DELETE FROM t");
    assert_eq!(unsafe { host::sqlite3_changes(0) }, 3);
}

#[test]
fn a_statement_is_reset_and_bound_again() {
    let db = in_memory();
    db.execute("CREATE TABLE t (a INTEGER)").unwrap();
    let insert = Raw::prepare("INSERT INTO t VALUES (?)");
    for i in 0..10 {
        insert.bind(vec![(BindKey::Numeric(1), BindValue::Int(i))]);
        assert_eq!(insert.step(), 101);
        unsafe { host::statement_reset(insert.0) };
    }
    assert_eq!(ints(&db, "SELECT sum(a) FROM t"), [45]);
}

#[test]
fn transactions_are_committed_or_rolled_back() {
    let db = in_memory();
    db.execute("CREATE TABLE t (a)").unwrap();
    db.execute("BEGIN").unwrap();
    db.prepare_query("INSERT INTO t VALUES (?)").bind(1).execute();
    db.execute("ROLLBACK").unwrap();
    assert_eq!(ints(&db, "SELECT count(*) FROM t"), [0]);
    db.execute("BEGIN").unwrap();
    db.prepare_query("INSERT INTO t VALUES (?)").bind(2).execute();
    db.execute("SAVEPOINT inner; INSERT INTO t VALUES (3); ROLLBACK TO inner").unwrap();
    db.execute("COMMIT").unwrap();
    assert_eq!(ints(&db, "SELECT a FROM t"), [2]);
    assert_eq!(db.execute("COMMIT").unwrap_err().code, SqliteCode::Error);
}

#[test]
fn rows_are_taken_one_by_one() {
    let db = in_memory();
    let up = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 2000) SELECT n, 'row ' || n FROM c";
    let mut sum = 0;
    for (at, row) in db.prepare_query(up).execute_iter().enumerate() {
        assert_eq!(row[1], text(&format!("row {}", at + 1)));
        sum += row[0].as_int_any().unwrap();
    }
    assert_eq!(sum, 2_001_000);
    // A statement that is dropped half-way holds nothing any more.
    db.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)").unwrap();
    let mut rows = db.prepare_query("SELECT a FROM t").execute_iter();
    assert_eq!(rows.next(), Some(vec![Value::Int64(1)]));
    assert_eq!(db.execute("DROP TABLE t").unwrap_err().code, SqliteCode::Locked);
    drop(rows);
    db.execute("DROP TABLE t").unwrap();
}

#[test]
fn thousands_of_statements_leave_nothing_behind() {
    let db = in_memory();
    for i in 0..5000 {
        assert_eq!(db.prepare_query("SELECT ?").bind(i).execute(), [[Value::Int64(i.into())]]);
    }
}

/// Runs `work` in a process of its own.
/// @returns whether it failed
fn fails(mailbox: Mailbox<bool>, work: fn()) -> bool {
    let this = mailbox.this();
    let mailbox = mailbox.catch_link_failure();
    Process::spawn_link((this, work as usize), |(parent, work), _: Mailbox<()>| {
        let work: fn() = unsafe { std::mem::transmute(work) };
        work();
        parent.send(false);
    });
    match mailbox.receive() {
        MessageSignal::Message(failed) => failed,
        MessageSignal::Signal(_) => true,
    }
}

#[test]
fn wrong_sql_and_wrong_parameters_end_their_process(mailbox: Mailbox<bool>) {
    assert!(fails(mailbox, || drop(in_memory().query("SELEC"))));
    assert!(fails(mailbox, || drop(in_memory().prepare_query("SELECT ?").bind(1).bind(2).execute())));
    assert!(fails(mailbox, || drop(in_memory().prepare_query("SELECT :a").bind_named(":b", 2).execute())));
    assert!(fails(mailbox, || drop(in_memory().query("SELECT abs(-9223372036854775808)"))));
    assert!(!fails(mailbox, || drop(in_memory().query("SELECT 1"))));
}

#[test]
fn a_file_keeps_what_another_process_committed(mailbox: Mailbox<bool>) {
    assert!(!fails(mailbox, || {
        let db = SqliteClient::connect("/db/stays.db").expect("a file");
        db.execute("CREATE TABLE t (a)").unwrap();
        db.execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (1), (2); COMMIT").unwrap();
        db.execute("BEGIN; INSERT INTO t VALUES (3)").unwrap(); // never committed
    }));
    let db = SqliteClient::connect("/db/stays.db").expect("a file");
    // The other one said so just before its end, which gives its locks back.
    while db.execute("SELECT count(*) FROM t") == Err(SqliteError { code: SqliteCode::Busy, message: None }) {
        lunatic::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(ints(&db, "SELECT a FROM t"), [1, 2]);
    assert_eq!(db.query("PRAGMA integrity_check"), [[text("ok")]]);
    assert!(std::fs::metadata("/db/stays.db").expect("a file").len() > 0);
}

#[test]
fn a_connection_that_is_refused_is_an_error_each_time() {
    for _ in 0..3000 {
        assert!(SqliteClient::connect("/elsewhere/x.db").is_err());
    }
    let db = SqliteClient::connect("").expect("a database in memory");
    assert_eq!(ints(&db, "SELECT 1"), [1]);
}

/// Keeps a database for others: a client in a process's state.
struct Shelf(SqliteClient);

#[abstract_process]
impl Shelf {
    #[init]
    fn init(_: Config<Self>, path: String) -> Result<Self, ()> {
        let db = SqliteClient::connect(&path).map_err(drop)?;
        db.execute("CREATE TABLE books (title TEXT UNIQUE, pages INTEGER)").map_err(drop)?;
        Ok(Shelf(db))
    }

    #[handle_request]
    fn put(&self, title: String, pages: i32) -> Result<(), String> {
        // `prepare_query` would trap on a title that is there: the code is asked for first.
        let there = self.0.prepare_query("SELECT 1 FROM books WHERE title = ?").bind(&title).execute();
        if !there.is_empty() {
            return Err(format!("{title} is there"));
        }
        self.0
            .prepare_query("INSERT INTO books VALUES (:t, :p)")
            .bind_named(":t", title)
            .bind_named(":p", pages)
            .execute();
        Ok(())
    }

    #[handle_request]
    fn all(&self) -> Vec<Vec<Value>> {
        self.0.query("SELECT title, pages FROM books ORDER BY title")
    }
}

#[test]
fn a_process_keeps_a_database_for_others() {
    let shelf = Shelf::link().start("/db/shelf.db".to_string()).expect("a shelf");
    assert_eq!(shelf.put("Solaris".into(), 204), Ok(()));
    assert_eq!(shelf.put("Eden".into(), 311), Ok(()));
    assert_eq!(shelf.put("Eden".into(), 1), Err("Eden is there".into()));
    let expected = [[text("Eden"), Value::Int64(311)], [text("Solaris"), Value::Int64(204)]];
    assert_eq!(shelf.all(), expected);
    shelf.shutdown();
}
