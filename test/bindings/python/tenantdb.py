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

Calls release the interpreter's lock. A failure raises tenantdb.Error. The library is
the file that TENANTDB_LIBRARY names, or libtenantdb.so.0 wherever the system finds it.
"""

import ctypes
import json
import os

# What this module was written for: an older library lacks functions it calls.
NEEDS = 100

OK, ALREADY_EXISTS, PERMISSION, UNAVAILABLE, CONNECTION = 0, 5, 6, 7, 9
SHARED, TENANT = 1, 2
ROUTING, ROLE = 1, 2

Handle, Text, Out, Status = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int32
Number, Number64 = ctypes.c_int32, ctypes.c_int64
LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, Number, Text, Text)

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
    "session_query_text": (Status, [Handle, Text, Number, ctypes.POINTER(Text), Out, Out]),
    "session_run": (Status, [Handle, Handle, Handle, Out, Out]),
    "session_begin": (Status, [Handle, Text, Out]),
    "session_commit": (Status, [Handle, Out]),
    "session_rollback": (Status, [Handle, Out]),
    "session_schema": (Text, [Handle]),
    "session_close": (None, [Handle]),
    "params_new": (Handle, []),
    "params_text": (None, [Handle, Text]),
    "params_free": (None, [Handle]),
    "statement_new": (Status, [Handle, Text, Out, Out]),
    "statement_text": (Status, [Handle, Text, Text, Out, Out]),
    "statement_free": (None, [Handle]),
    "result_rows": (Number, [Handle]),
    "result_columns": (Number, [Handle]),
    "result_name": (Text, [Handle, Number]),
    "result_value": (Handle, [Handle, Number, Number]),
    "result_length": (ctypes.c_size_t, [Handle, Number, Number]),
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
    """options: a dictionary of configuration keys; log: called with (level, event, message)."""

    _close = "close"

    def __init__(self, options=None, registry=None, log=None, environment=False):
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

    def session(self, tenant):
        return Session(self, _make("session_open", self.handle, _text(tenant), None))

    def shared_session(self):
        return Session(self, _make("session_open_shared", self.handle, None))


class Session(_Owner):
    """One thread at a time. Used with `with transaction()`, or each statement by itself."""

    _close = "session_close"

    def __init__(self, database, handle):
        super().__init__(handle)
        self.log = getattr(database, "log", None)

    @property
    def schema(self):
        return _own("session_schema", self.handle)

    def query(self, sql, *values):
        array = (Text * len(values))(*map(_text, values))
        return Result(_make("session_query_text", self.handle, _text(sql), len(values), array))

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
