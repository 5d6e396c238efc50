/* SPDX-License-Identifier: PostgreSQL */
/*
 * Configuration: string keys and values from one table of options.
 *
 * Every option has a default, so an empty configuration is a usable one. An
 * unknown key, a value that does not parse or is out of range is refused when
 * it is set, naming the nearest key or the range. tenantdb_open() copies the
 * configuration; changing it afterwards has no effect on what is open.
 * tenantdb_config_describe() lists every option with its meaning.
 */
#ifndef TENANTDB_CONFIG_H
#define TENANTDB_CONFIG_H

#include <tenantdb/api.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of options. */
typedef struct tenantdb_config tenantdb_config;

/** Levels of a log line, from the least to the most serious. */
enum {
  TENANTDB_LOG_DEBUG = 1,
  TENANTDB_LOG_NOTICE = 2, /**< the server's notices among them */
  TENANTDB_LOG_WARNING = 3,
  TENANTDB_LOG_ERROR = 4
};

/**
 * Receives one line of log. Runs on the thread that called the library, inside
 * that call, with no lock held; it must not call back into the library. @event
 * is a name from the list in doc/guide/operating.md ("notice", "connection-closed"),
 * @message one line of text without secrets. Both strings end with the call.
 */
typedef void (*tenantdb_log_function)(void *user, int32_t level, const char *event, const char *message);

/** Something that happened, while a callback is told of it; what it is, tenantdb/operate.h tells. */
typedef struct tenantdb_event tenantdb_event;

/**
 * Receives one event, under the same conditions as tenantdb_log_function.
 * @event, and every string it gives, end with the call.
 */
typedef void (*tenantdb_event_function)(void *user, const tenantdb_event *event);

/**
 * Keeps the password of a tenant's login role (level login), or forgets it when
 * @password is NULL. @credential is a uuid that names this very password: a new
 * password has a new one, so that nothing that is kept is ever overwritten, and
 * the catalog tells which of them is in force. Returns 0 when it was done.
 *
 * Called before the password is set on the server, on the thread that called
 * the library, inside that call, outside any transaction and with no lock held;
 * must not call back into the library.
 */
typedef int32_t (*tenantdb_credentials_store)(void *user, const char *tenant_id, const char *role, const char *credential, const char *password);

/**
 * Tells a password that was kept: writes it with its NUL into @buffer of @size
 * bytes and returns 0, or returns another number when it cannot. Called when a
 * connection is to be made, under the same conditions.
 */
typedef int32_t (*tenantdb_credentials_fetch)(void *user, const char *tenant_id, const char *role, const char *credential, char *buffer, size_t size);

/**
 * tenantdb_config_new() - an empty configuration: every option at its default
 *
 * Returns NULL when memory ran out.
 *
 * Ownership: yours, tenantdb_config_free().
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API tenantdb_config *tenantdb_config_new(void);

/**
 * tenantdb_config_set() - set one option
 * @config: a configuration
 * @key:    an option's key, such as "pool.size"
 * @value:  its value as text; NULL puts the default back
 * @error:  as everywhere
 *
 * Nothing is changed when it fails.
 *
 * Ownership: @key and @value stay yours.
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_config_set(tenantdb_config *config, const char *key, const char *value, tenantdb_error **error);

/**
 * tenantdb_config_get() - read one option
 * @config: a configuration
 * @key:    an option's key
 * @value:  receives the value in force: what was set, or the default
 * @error:  as everywhere
 *
 * Ownership: *value belongs to @config and lasts until the option is set again.
 * Thread:    one at a time; it may move between threads.
 * Status:    ARGUMENT, MEMORY.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_config_get(const tenantdb_config *config, const char *key, const char **value, tenantdb_error **error);

/**
 * tenantdb_config_load_env() - read the options that the environment sets
 * @config: a configuration
 * @error:  as everywhere
 *
 * Reads DATABASE_URL (option database.url), DATABASE_SCHEMA (option
 * database.schema) and, for every option, TENANTDB_ and its key in capitals with
 * dots as underscores (TENANTDB_POOL_SIZE). Unset and empty variables change
 * nothing. This is the only place where the library reads the environment
 * (libpq reads its own PG* variables when it connects).
 *
 * Ownership: nothing is handed over.
 * Thread:    one at a time; no other thread may change the environment meanwhile.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_config_load_env(tenantdb_config *config, tenantdb_error **error);

/**
 * tenantdb_config_log() - send log lines to a function
 * @config:   a configuration; NULL is allowed and does nothing
 * @function: the function; NULL for silence, the default
 * @user:     handed to every call of @function
 *
 * Ownership: @user stays yours and must outlive every database opened with @config.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_config_log(tenantdb_config *config, tenantdb_log_function function, void *user);

/**
 * tenantdb_config_events() - send events to a function
 * @config:   a configuration; NULL is allowed and does nothing
 * @function: the function; NULL for none, the default
 * @user:     handed to every call of @function
 *
 * The same events as go to the function of tenantdb_config_log(), with all that
 * is known of each. Without any function they wait for tenantdb_events().
 *
 * Ownership: @user stays yours and must outlive every database opened with @config.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_config_events(tenantdb_config *config, tenantdb_event_function function, void *user);

/**
 * tenantdb_config_credentials() - let functions keep the passwords of tenants' login roles
 * @config: a configuration; NULL is allowed and does nothing
 * @store:  keeps a password or forgets it
 * @fetch:  tells it
 * @user:   handed to every call of both
 *
 * For level login with option login.passwords = functions. Either both or
 * neither: with one of them NULL nobody keeps passwords.
 *
 * Ownership: @user stays yours and must outlive every database opened with @config.
 * Thread:    one at a time; it may move between threads.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_config_credentials(tenantdb_config *config, tenantdb_credentials_store store, tenantdb_credentials_fetch fetch, void *user);

/**
 * tenantdb_config_describe() - list every option
 * @config:  a configuration; NULL for the defaults
 * @options: receives a table: key, type, value, default, minimum, maximum, description
 * @error:   as everywhere
 *
 * The value of an option that may hold a password is shown without it.
 *
 * Ownership: *options is yours, tenantdb_result_free().
 * Thread:    one at a time; it may move between threads.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_config_describe(const tenantdb_config *config, tenantdb_result **options, tenantdb_error **error);

/**
 * tenantdb_config_free() - release a configuration
 * @config: a configuration, or NULL
 *
 * Ownership: takes @config.
 * Thread:    any.
 * Status:    none.
 * Since:     0.1
 */
TENANTDB_API void tenantdb_config_free(tenantdb_config *config);

#ifdef __cplusplus
}
#endif

#endif
