# SPDX-License-Identifier: PostgreSQL
"""libtenantdb for Python, through ctypes: thin, and enough for an application to begin with.

    import tenantdb
    registry = tenantdb.Registry()
    registry.base("Notebook").sql("CREATE TABLE notes (id integer PRIMARY KEY, body text)")
    with tenantdb.Database({"database.url": url}, registry) as db:
        db.bootstrap()
        db.create_tenant("globex")
        with db.session("globex") as session:
            rows = session.query("SELECT * FROM notes WHERE id = $1", 1)
        for event in db.events():
            print(event["event"], event["message"])

Everything is done without a function that the library calls back, but for log and on_event,
which tell at once what events() tells later. Calls release the interpreter's lock. A failure raises tenantdb.Error. The library is
the file that TENANTDB_LIBRARY names, or libtenantdb.so.0 wherever the system finds it.
"""

import contextlib
import ctypes
import datetime
import decimal
import json
import os
import uuid

# What this module was written for: an older library lacks functions it calls.
NEEDS = 100

OK, ALREADY_EXISTS, PERMISSION, UNAVAILABLE, CONNECTION = 0, 5, 6, 7, 9
SHARED, TENANT = 1, 2
ROUTING, ROLE = 1, 2
RETRY_SAME_SESSION = 1
READ, WRITE = 1, 2

Handle, Text, Out, Status = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int32
Number, Number64, Size, Double = ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t, ctypes.c_double
OutNumber, OutNumber64, OutSize = ctypes.POINTER(Number), ctypes.POINTER(Number64), ctypes.POINTER(Size)
Texts = ctypes.POINTER(Text)
LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, Number, Text, Text)
EventFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

# name: (result, arguments); what ends with an error object is called through _call().
_SIGNATURES = {
    "version": (Text, []),
    "version_number": (Number, []),
    "status_name": (Text, [Status]),
    "reason_name": (Text, [Number]),
    "isolation_name": (Text, [Number]),
    "string_free": (None, [Handle]),
    "error_status": (Status, [Handle]),
    "error_reason": (Number, [Handle]),
    "error_retry": (Number, [Handle]),
    "error_message": (Text, [Handle]),
    "error_sqlstate": (Text, [Handle]),
    "error_detail": (Text, [Handle]),
    "error_hint": (Text, [Handle]),
    "error_constraint": (Text, [Handle]),
    "error_tenant": (Text, [Handle]),
    "error_operation": (Text, [Handle]),
    "error_free": (None, [Handle]),
    "config_new": (Handle, []),
    "config_set": (Status, [Handle, Text, Text, Out]),
    "config_load_env": (Status, [Handle, Out]),
    "config_describe": (Status, [Handle, Out, Out]),
    "config_log": (None, [Handle, LogFunction, Handle]),
    "config_events": (None, [Handle, EventFunction, Handle]),
    "event_name": (Text, [Handle]),
    "event_level": (Number, [Handle]),
    "event_sequence": (Number64, [Handle]),
    "event_at_ms": (Number64, [Handle]),
    "event_tenant": (Text, [Handle]),
    "event_sqlstate": (Text, [Handle]),
    "event_message": (Text, [Handle]),
    "event_backend_pid": (Number, [Handle]),
    "event_json": (Text, [Handle]),
    "config_free": (None, [Handle]),
    "registry_new": (Handle, []),
    "registry_base": (Handle, [Handle, Text, Number]),
    "registry_check": (Status, [Handle, Out]),
    "registry_free": (None, [Handle]),
    "base_sql": (None, [Handle, Text]),
    "base_table": (Handle, [Handle, Text]),
    "table_column": (None, [Handle, Text, Text, Text]),
    "open": (Status, [Handle, Handle, Out, Out]),
    "close": (None, [Handle]),
    "bootstrap": (Status, [Handle, Out]),
    "isolation": (Status, [Handle, ctypes.POINTER(Number), Out, Out]),
    "events": (Status, [Handle, Number, Out, Out]),
    "statistics": (Status, [Handle, Out, Out]),
    "statistics_text": (Status, [Handle, Out, Out]),
    "pool_tenants": (Status, [Handle, Out, Out]),
    "warm_up": (Status, [Handle, Out]),
    "tenant_create": (Status, [Handle, Text, Handle, Out, Out]),
    "tenant_suspend": (Status, [Handle, Text, Out, Out]),
    "tenant_resume": (Status, [Handle, Text, Out, Out]),
    "tenant_purge": (Status, [Handle, Text, Number, Out]),
    "tenant_verify": (Status, [Handle, Text, Out, Out]),
    "tenant_list": (Status, [Handle, Text, Text, Text, Number, Out, Out]),
    "tenant_spec_new": (Handle, []),
    "tenant_spec_set": (None, [Handle, Text, Text]),
    "tenant_spec_free": (None, [Handle]),
    "tenant_id": (Text, [Handle]),
    "tenant_slug": (Text, [Handle]),
    "tenant_name": (Text, [Handle]),
    "tenant_schema": (Text, [Handle]),
    "tenant_role": (Text, [Handle]),
    "tenant_state_name": (Text, [Handle]),
    "tenant_free": (None, [Handle]),
    "slug_from_name": (Status, [Text, Out, Out]),
    "session_open": (Status, [Handle, Text, Handle, Out, Out]),
    "session_open_shared": (Status, [Handle, Handle, Out, Out]),
    "session_options_new": (Handle, []),
    "session_options_set": (None, [Handle, Text, Text]),
    "session_options_free": (None, [Handle]),
    "session_query": (Status, [Handle, Text, Handle, Out, Out]),
    "session_query_text": (Status, [Handle, Text, Number, Texts, Out, Out]),
    "session_exec": (Status, [Handle, Text, Handle, OutNumber64, Out]),
    "session_run": (Status, [Handle, Handle, Handle, Out, Out]),
    "session_begin": (Status, [Handle, Text, Out]),
    "session_commit": (Status, [Handle, Out]),
    "session_rollback": (Status, [Handle, Out]),
    "session_savepoint": (Status, [Handle, Text, Out]),
    "session_rollback_to": (Status, [Handle, Text, Out]),
    "session_release_savepoint": (Status, [Handle, Text, Out]),
    "session_batch": (Status, [Handle, Handle, Out]),
    "session_stream": (Status, [Handle, Text, Handle, Out, Out]),
    "session_copy_in": (Status, [Handle, Text, Out]),
    "session_copy_write": (Status, [Handle, ctypes.c_char_p, Size, Out]),
    "session_copy_end": (Status, [Handle, Text, OutNumber64, Out]),
    "session_copy_out": (Status, [Handle, Text, Out]),
    "session_copy_read": (Status, [Handle, Out, OutSize, Out]),
    "session_cancel": (Status, [Handle, Out]),
    "session_send": (Status, [Handle, Text, Handle, Out]),
    "session_send_statement": (Status, [Handle, Handle, Handle, Out]),
    "session_send_commit": (Status, [Handle, Out]),
    "session_send_rollback": (Status, [Handle, Out]),
    "session_step": (Status, [Handle, OutNumber, Out, Out]),
    "session_socket": (Number, [Handle]),
    "session_events": (Number, [Handle]),
    "session_timeout_ms": (Number, [Handle]),
    "session_tenant": (Text, [Handle]),
    "session_schema": (Text, [Handle]),
    "session_close": (None, [Handle]),
    "params_new": (Handle, []),
    "params_text": (None, [Handle, Text]),
    "params_bool": (None, [Handle, Number]),
    "params_int32": (None, [Handle, Number]),
    "params_int64": (None, [Handle, Number64]),
    "params_double": (None, [Handle, Double]),
    "params_numeric": (None, [Handle, Text]),
    "params_uuid": (None, [Handle, Text]),
    "params_timestamptz": (None, [Handle, Number64]),
    "params_bytea": (None, [Handle, ctypes.c_char_p, Size]),
    "params_json": (None, [Handle, Text]),
    "params_jsonb": (None, [Handle, Text]),
    "params_typed": (None, [Handle, ctypes.c_uint32, Text]),
    "params_array_text": (None, [Handle, Number, Texts]),
    "params_array_uuid": (None, [Handle, Number, Texts]),
    "params_array_numeric": (None, [Handle, Number, Texts]),
    "params_array_bool": (None, [Handle, Number, OutNumber, OutNumber]),
    "params_array_int32": (None, [Handle, Number, OutNumber, OutNumber]),
    "params_array_int64": (None, [Handle, Number, OutNumber64, OutNumber]),
    "params_array_double": (None, [Handle, Number, ctypes.POINTER(Double), OutNumber]),
    "params_array_timestamptz": (None, [Handle, Number, OutNumber64, OutNumber]),
    "params_array_bytea": (None, [Handle, Number, Texts, OutSize]),
    "params_null": (None, [Handle]),
    "params_clear": (None, [Handle]),
    "params_free": (None, [Handle]),
    "batch_new": (Handle, []),
    "batch_add": (None, [Handle, Text, Handle]),
    "batch_count": (Number, [Handle]),
    "batch_result": (Status, [Handle, Number, Out, Out]),
    "batch_free": (None, [Handle]),
    "statement_new": (Status, [Handle, Text, Out, Out]),
    "statement_text": (Status, [Handle, Text, Text, Out, Out]),
    "statement_free": (None, [Handle]),
    "result_rows": (Number, [Handle]),
    "result_columns": (Number, [Handle]),
    "result_name": (Text, [Handle, Number]),
    "result_value": (Handle, [Handle, Number, Number]),
    "result_length": (Size, [Handle, Number, Number]),
    "result_column": (Number, [Handle, Text]),
    "result_type": (ctypes.c_uint32, [Handle, Number]),
    "result_type_name": (Text, [ctypes.c_uint32]),
    "result_format": (Number, [Handle, Number]),
    "result_is_null": (Number, [Handle, Number, Number]),
    "result_int32": (Status, [Handle, Number, Number, OutNumber, Out]),
    "result_int64": (Status, [Handle, Number, Number, OutNumber64, Out]),
    "result_double": (Status, [Handle, Number, Number, ctypes.POINTER(Double), Out]),
    "result_bool": (Status, [Handle, Number, Number, OutNumber, Out]),
    "result_timestamptz": (Status, [Handle, Number, Number, OutNumber64, Out]),
    "result_bytea": (Status, [Handle, Number, Number, Out, OutSize, Out]),
    "result_next": (Status, [Handle, OutNumber, Out]),
    "result_affected": (Number64, [Handle]),
    "result_json": (Status, [Handle, Out, Out]),
    "result_free": (None, [Handle]),
}


def _load():
    library = ctypes.CDLL(os.environ.get("TENANTDB_LIBRARY") or "libtenantdb.so.0")
    functions = {}
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, "tenantdb_" + name)
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    if functions["version_number"]() < NEEDS:
        raise ImportError("libtenantdb %s is older than this module" % functions["version"]().decode())
    return functions


_library = _load()


def _text(value):
    """What the library takes as text; None is NULL."""
    return None if value is None else str(value).encode()


def _own(name, handle):
    """A text that belongs to a handle."""
    return (_library[name](handle) or b"").decode()


class Error(Exception):
    """A failure; takes the error object over and frees it, having copied all it says."""

    def __init__(self, handle):
        self.status = _library["error_status"](handle)
        self.status_name = _library["status_name"](self.status).decode()
        self.reason = _library["error_reason"](handle)
        self.reason_name = _library["reason_name"](self.reason).decode()
        self.retry = _library["error_retry"](handle)
        self.message, self.sqlstate, self.detail, self.hint, self.constraint, self.tenant, self.operation = (
            _own("error_" + what, handle)
            for what in ("message", "sqlstate", "detail", "hint", "constraint", "tenant", "operation"))
        _library["error_free"](handle)
        super().__init__("%s: %s" % (self.status_name, self.message))


def _call(name, *arguments):
    """Call, with the error as the last argument; raise when it answers anything but OK."""
    error = ctypes.c_void_p()
    if _library[name](*arguments, ctypes.byref(error)) != OK:
        raise Error(error)


def _make(name, *arguments):
    """Call what hands an object out before the error."""
    made = ctypes.c_void_p()
    _call(name, *arguments, ctypes.byref(made))
    return made


def _string(made):
    text = ctypes.string_at(made).decode()
    _library["string_free"](made)
    return text


def version():
    return _library["version"]().decode()


def slug_from_name(name):
    return _string(_make("slug_from_name", _text(name)))


class _Owner:
    """Frees its handle once: on close(), at the end of `with`, or when Python collects it."""

    _close = None

    def __init__(self, handle):
        self.handle = handle

    def close(self):
        handle, self.handle = getattr(self, "handle", None), None
        if handle:
            _library[self._close](handle)

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Result(_Owner):
    """Rows; a value is text as PostgreSQL writes it, or None."""

    _close = "result_free"

    def __len__(self):
        return _library["result_rows"](self.handle)

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row):
        if not 0 <= row < len(self):
            raise IndexError(row)
        return tuple(self._value(row, column) for column in range(_library["result_columns"](self.handle)))

    def _value(self, row, column):
        at = _library["result_value"](self.handle, row, column)
        return None if at is None else ctypes.string_at(at, _library["result_length"](self.handle, row, column)).decode()

    @property
    def columns(self):
        return [_library["result_name"](self.handle, i).decode() for i in range(_library["result_columns"](self.handle))]

    @property
    def affected(self):
        return _library["result_affected"](self.handle)

    def json(self):
        """A list of dictionaries, numbers and booleans as such."""
        return json.loads(_string(_make("result_json", self.handle)))

    def type(self, column):
        """The name of a column's type, such as "int8"."""
        return _library["result_type_name"](_library["result_type"](self.handle, column)).decode()

    def get(self, row, column):
        """A cell as a value of Python's, whether it came as text or in binary form."""
        if isinstance(column, str):
            column = _library["result_column"](self.handle, _text(column))
        if _library["result_is_null"](self.handle, row, column):
            return None
        getter, kind = _GETTERS.get(self.type(column), (None, None))
        if getter == "bytea":
            data, length = ctypes.c_void_p(), Size()
            _call("result_bytea", self.handle, row, column, ctypes.byref(data), ctypes.byref(length))
            return ctypes.string_at(data, length.value)
        if getter:
            value = kind()
            _call("result_" + getter, self.handle, row, column, ctypes.byref(value))
            return {"bool": bool, "timestamptz": _moment}.get(getter, lambda plain: plain)(value.value)
        return self._value(row, column)

    def typed(self):
        """All rows, as tuples of such values."""
        columns = range(_library["result_columns"](self.handle))
        return [tuple(self.get(row, column) for column in columns) for row in range(len(self))]


_GETTERS = {"bool": ("bool", Number), "int2": ("int32", Number), "int4": ("int32", Number), "int8": ("int64", Number64),
            "float4": ("double", Double), "float8": ("double", Double), "timestamptz": ("timestamptz", Number64),
            "bytea": ("bytea", None)}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def _moment(microseconds):
    return _EPOCH + datetime.timedelta(microseconds=microseconds)


def _microseconds(moment):
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)


class Params(_Owner):
    """Values of Python's as values of a statement: the type of each follows from its own."""

    _close = "params_free"

    def __init__(self, *values):
        super().__init__(_library["params_new"]())
        for value in values:
            self.add(value)

    def _put(self, kind, *value):
        _library["params_" + kind](self.handle, *value)

    def add(self, value):
        if value is None:
            self._put("null")
        elif isinstance(value, bool):  # before int, which it is as well
            self._put("bool", value)
        elif isinstance(value, int):
            self._put("int64", value)
        elif isinstance(value, float):
            self._put("double", value)
        elif isinstance(value, decimal.Decimal):
            self._put("numeric", _text(value))
        elif isinstance(value, uuid.UUID):
            self._put("uuid", _text(value))
        elif isinstance(value, datetime.datetime):
            self._put("timestamptz", _microseconds(value))
        elif isinstance(value, bytes):
            self._put("bytea", value, len(value))
        elif isinstance(value, dict):
            self._put("jsonb", json.dumps(value).encode())
        elif isinstance(value, (list, tuple)):
            self._array(list(value))
        else:
            self._put("text", _text(value))

    def _array(self, values):
        """The first that is no None tells the type of all; an empty one is of text."""
        first = next((value for value in values if value is not None), "")
        nulls = (Number * len(values))(*(value is None for value in values))
        for kind, name, element, make in _ARRAYS:
            if isinstance(first, kind):
                numbers = (element * len(values))(*(make(value) if value is not None else 0 for value in values))
                self._put("array_" + name, len(values), numbers, nulls)
                return
        texts = (Text * len(values))(*(value if isinstance(value, bytes) else _text(value) for value in values))
        if isinstance(first, bytes):
            self._put("array_bytea", len(values), texts, (Size * len(values))(*(len(value or b"") for value in values)))
        else:
            name = "uuid" if isinstance(first, uuid.UUID) else "numeric" if isinstance(first, decimal.Decimal) else "text"
            self._put("array_" + name, len(values), texts)


_ARRAYS = ((bool, "bool", Number, int), (int, "int64", Number64, int), (float, "double", Double, float),
           (datetime.datetime, "timestamptz", Number64, _microseconds))


class Base:
    """Belongs to its registry, which it therefore holds."""

    def __init__(self, registry, handle):
        self.registry, self.handle = registry, handle

    def sql(self, script):
        _library["base_sql"](self.handle, _text(script))

    def table(self, name, **columns):
        """table("notes", id="integer PRIMARY KEY"): the type is the first word."""
        table = _library["base_table"](self.handle, _text(name))
        for column, what in columns.items():
            kind, _, rest = what.partition(" ")
            _library["table_column"](table, _text(column), _text(kind), _text(rest))


class Registry(_Owner):
    _close = "registry_free"

    def __init__(self):
        super().__init__(_library["registry_new"]())

    def base(self, name, kind=TENANT):
        return Base(self, _library["registry_base"](self.handle, _text(name), kind))

    def check(self):
        _call("registry_check", self.handle)

    def statement(self, sql):
        return Statement(_make("statement_new", self.handle, _text(sql)))


class Statement(_Owner):
    _close = "statement_free"

    def text(self, schema, shared_schema=None):
        return _string(_make("statement_text", self.handle, _text(schema), _text(shared_schema)))


class Tenant(_Owner):
    _close = "tenant_free"

    def __getattr__(self, name):
        if name not in ("id", "slug", "name", "schema", "role", "state_name"):
            raise AttributeError(name)
        return _own("tenant_" + name, self.handle)


def describe_options():
    """Every option of the configuration."""
    with Result(_make("config_describe", None)) as options:
        return options.json()


class Database(_Owner):
    """options: a dictionary of configuration keys; log: called with (level, event, message), on_event with
    a dictionary, both at once and on the thread of the call that it happened in."""

    _close = "close"

    def __init__(self, options=None, registry=None, log=None, environment=False, on_event=None):
        super().__init__(None)
        config = _library["config_new"]()
        try:
            if environment:
                _call("config_load_env", config)
            for key, value in (options or {}).items():
                _call("config_set", config, _text(key), _text(value))
            if log:
                # The library calls it as long as the database, or a session of it, lives: held by both.
                self.log = LogFunction(lambda _, level, event, message: log(level, event.decode(), message.decode()))
                _library["config_log"](config, self.log, None)
            if on_event:
                self.on_event = EventFunction(lambda _, event: on_event(json.loads(_library["event_json"](event))))
                _library["config_events"](config, self.on_event, None)
            self.handle = _make("open", config, registry.handle if registry else None)
        finally:
            _library["config_free"](config)

    def bootstrap(self):
        _call("bootstrap", self.handle)

    def isolation(self):
        level = Number()
        _call("isolation", self.handle, ctypes.byref(level), None)
        return level.value

    def create_tenant(self, slug, **spec):
        wanted = _library["tenant_spec_new"]()
        for key, value in spec.items():
            _library["tenant_spec_set"](wanted, _text(key), _text(value))
        try:
            return Tenant(_make("tenant_create", self.handle, _text(slug), wanted))
        finally:
            _library["tenant_spec_free"](wanted)

    def suspend(self, tenant):
        return Tenant(_make("tenant_suspend", self.handle, _text(tenant)))

    def resume(self, tenant):
        return Tenant(_make("tenant_resume", self.handle, _text(tenant)))

    def purge(self, tenant, force=False):
        _call("tenant_purge", self.handle, _text(tenant), int(force))

    def verify(self, tenant):
        return Result(_make("tenant_verify", self.handle, _text(tenant)))

    def tenants(self, states=None, prefix=None, after=None, limit=0):
        return Result(_make("tenant_list", self.handle, _text(states), _text(prefix), _text(after), limit))

    def session(self, tenant, **options):
        """Options of the session, as session("globex", timeout="2s", read_only="on")."""
        with _session_options(options) as wanted:
            return Session(self, _make("session_open", self.handle, _text(tenant), wanted))

    def shared_session(self, **options):
        with _session_options(options) as wanted:
            return Session(self, _make("session_open_shared", self.handle, wanted))

    def events(self, most=0):
        """What has happened since it was last asked, as dictionaries; never waits."""
        with Result(_make("events", self.handle, most)) as events:
            return events.json()

    def statistics(self):
        """{(name, labels): value}"""
        with Result(_make("statistics", self.handle)) as table:
            return {(row["name"], row["labels"]): float(row["value"]) for row in table.json()}

    def statistics_text(self):
        return _string(_make("statistics_text", self.handle))

    def pool_tenants(self):
        with Result(_make("pool_tenants", self.handle)) as table:
            return table.json()

    def warm_up(self):
        _call("warm_up", self.handle)


@contextlib.contextmanager
def _session_options(options):
    wanted = _library["session_options_new"]()
    for key, value in options.items():
        _library["session_options_set"](wanted, _text(key), _text(value))
    try:
        yield wanted
    finally:
        _library["session_options_free"](wanted)


class Session(_Owner):
    """One thread at a time. Used with `with transaction()`, or each statement by itself."""

    _close = "session_close"

    def __init__(self, database, handle):
        super().__init__(handle)
        self.log = getattr(database, "log", None)
        self.on_event = getattr(database, "on_event", None)

    @property
    def schema(self):
        return _own("session_schema", self.handle)

    def query(self, sql, *values):
        array = (Text * len(values))(*map(_text, values))
        return Result(_make("session_query_text", self.handle, _text(sql), len(values), array))

    def fetch(self, sql, *values):
        """Values go in and come back as Python's own."""
        with Params(*values) as params, Result(_make("session_query", self.handle, _text(sql), params.handle)) as rows:
            return rows.typed()

    def execute(self, sql, *values):
        """How many rows it concerned."""
        affected = Number64()
        with Params(*values) as params:
            _call("session_exec", self.handle, _text(sql), params.handle, ctypes.byref(affected))
        return affected.value

    def run(self, statement, *values):
        params = _library["params_new"]()
        for value in values:
            _library["params_text"](params, _text(value))
        try:
            return Result(_make("session_run", self.handle, statement.handle, params))
        finally:
            _library["params_free"](params)

    def begin(self, mode=None):
        _call("session_begin", self.handle, _text(mode))

    def commit(self):
        _call("session_commit", self.handle)

    def rollback(self):
        _call("session_rollback", self.handle)

    def savepoint(self, name):
        _call("session_savepoint", self.handle, _text(name))

    def rollback_to(self, name):
        _call("session_rollback_to", self.handle, _text(name))

    def release_savepoint(self, name):
        _call("session_release_savepoint", self.handle, _text(name))

    @contextlib.contextmanager
    def transaction(self, mode=None):
        """Committed at the end of `with`, rolled back when that is left by an exception."""
        self.begin(mode)
        try:
            yield self
        except BaseException:
            with contextlib.suppress(Error):  # what is raised already tells more
                self.rollback()
            raise
        self.commit()

    def transact(self, work, mode=None, tries=5):
        """Runs work(session) in a transaction, again when it collided with another one."""
        for left in reversed(range(tries)):
            try:
                with self.transaction(mode):
                    return work(self)
            except Error as error:
                if error.retry != RETRY_SAME_SESSION or not left:
                    raise

    def batch(self, *statements):
        """Many statements in one round trip: batch((sql, value, …), …). Their results; the first failure raises."""
        with Batch() as batch:
            for sql, *values in statements:
                batch.add(sql, *values)
            batch.run(self)
            return batch.results()

    def stream(self, sql, *values):
        """Rows as they come, however many there are."""
        with Params(*values) as params:
            rows = Result(_make("session_stream", self.handle, _text(sql), params.handle))
        with rows:
            more = Number()
            while True:
                _call("result_next", rows.handle, ctypes.byref(more))
                if not more.value:
                    return
                yield from rows.typed()

    def copy_in(self, sql, chunks):
        """COPY … FROM STDIN of what the chunks of bytes hold; how many rows. An exception among them gives it up."""
        rows = Number64()
        _call("session_copy_in", self.handle, _text(sql))
        try:
            for chunk in chunks:
                _call("session_copy_write", self.handle, chunk, len(chunk))
        except Error:
            raise  # the COPY has ended
        except BaseException as problem:
            _call("session_copy_end", self.handle, _text(problem) or b"given up", None)
            raise
        _call("session_copy_end", self.handle, None, ctypes.byref(rows))
        return rows.value

    def copy_out(self, sql):
        """COPY … TO STDOUT, a row at a time, as bytes; to be read to its end."""
        data, length = ctypes.c_void_p(), Size()
        _call("session_copy_out", self.handle, _text(sql))
        while True:
            _call("session_copy_read", self.handle, ctypes.byref(data), ctypes.byref(length))
            if not data.value:
                return
            yield ctypes.string_at(data, length.value)

    def cancel(self):
        """From any thread."""
        _call("session_cancel", self.handle)

    # For event loops: start something, wait for the socket, step until it is done.

    def send(self, sql, *values):
        with Params(*values) as params:
            _call("session_send", self.handle, _text(sql), params.handle)

    def send_statement(self, statement, *values):
        with Params(*values) as params:
            _call("session_send_statement", self.handle, statement.handle, params.handle)

    def send_commit(self):
        _call("session_send_commit", self.handle)

    def send_rollback(self):
        _call("session_send_rollback", self.handle)

    def waits_for(self):
        """(socket, READ | WRITE, milliseconds or -1)"""
        return tuple(_library["session_" + what](self.handle) for what in ("socket", "events", "timeout_ms"))

    def step(self):
        """None while it is under way, then a Result or True."""
        done, result = Number(), ctypes.c_void_p()
        _call("session_step", self.handle, ctypes.byref(done), ctypes.byref(result))
        return (Result(result) if result.value else True) if done.value else None

    @property
    def tenant(self):
        return _own("session_tenant", self.handle)


class Batch(_Owner):
    """Statements that go to the server in one round trip and stand or fall together."""

    _close = "batch_free"

    def __init__(self):
        super().__init__(_library["batch_new"]())

    def __len__(self):
        return _library["batch_count"](self.handle)

    def add(self, sql, *values):
        with Params(*values) as params:
            _library["batch_add"](self.handle, _text(sql), params.handle)

    def run(self, session):
        _call("session_batch", session.handle, self.handle)

    def result(self, index):
        return Result(_make("batch_result", self.handle, index))

    def results(self):
        return [self.result(index) for index in range(len(self))]
