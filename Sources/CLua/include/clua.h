// What Swift may see of Lua. Lua raises errors with longjmp, which must never cross a Swift frame, so lua.h stays
// hidden and only three kinds of functions are declared here:
//   - functions of Lua that never raise;
//   - functions of Lua that raise only when memory runs out. Swift calls them while `enforce` is 0, when the
//     allocator refuses nothing, so they cannot raise either;
//   - wrappers (clua_*) that catch whatever is raised and answer with a status.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct lua_State lua_State;
typedef long long clua_integer;

// MARK: constants

enum {
  CLUA_OK = 0,
  CLUA_YIELD = 1,
  CLUA_ERROR_RUNTIME = 2,
  CLUA_ERROR_SYNTAX = 3,
  CLUA_ERROR_MEMORY = 4,
  CLUA_ERROR_HANDLER = 5,
};

enum {
  CLUA_TYPE_NONE = -1,
  CLUA_TYPE_NIL = 0,
  CLUA_TYPE_BOOLEAN = 1,
  CLUA_TYPE_LIGHT_USERDATA = 2,
  CLUA_TYPE_NUMBER = 3,
  CLUA_TYPE_STRING = 4,
  CLUA_TYPE_TABLE = 5,
  CLUA_TYPE_FUNCTION = 6,
  CLUA_TYPE_USERDATA = 7,
  CLUA_TYPE_THREAD = 8,
};

// Why a call was ended by its host; 0 while it was not.
enum {
  CLUA_REASON_NONE = 0,
  CLUA_REASON_TIME = 1,
  CLUA_REASON_INSTRUCTIONS = 2,
};

// What a host function's body answers, beside the number of results it pushed.
enum {
  CLUA_RAISE = -1,  // the error value is on top of the stack
  CLUA_AWAIT = -2,  // suspend the coroutine until clua_resume brings the results
};

enum { CLUA_SANDBOX_LOAD = 0, CLUA_SANDBOX_RUN = 1 };

// MARK: the host of one state

// One level of a traceback. Fixed buffers, because it is written while an error is on its way, possibly a lack of
// memory.
typedef struct clua_frame {
  char chunk[256];
  char name[80];
  int line;  // -1: not Lua code
} clua_frame;

enum { CLUA_FRAMES = 20 };
// Levels are counted so far; who looks at runaway recursion needs no exact number.
enum { CLUA_DEPTH = 10000 };

// Runs a host function: `context` is what clua_push_host was given. Never raises.
typedef int (*clua_body)(lua_State *L, void *context);
// Lets go of a host function's context once Lua has collected the function.
typedef void (*clua_release)(void *context);

typedef struct clua_flag clua_flag;  // an int that any thread may raise

// Budget, memory and bookkeeping of one state. Swift reads it; all writes go through the functions below, unless
// said otherwise.
typedef struct clua_host {
  lua_State *main;
  lua_State *current;  // the coroutine that runs now, or `main`: the stack on which host code works
  lua_State *call;     // the coroutine that clua_resume runs, or null
  clua_body body;
  clua_release release;

  size_t used, limit;    // bytes
  int enforce;           // 1 only while Lua code runs: then growth beyond `limit` fails, and Lua raises
  size_t volume;         // bytes allocated since the clock was last read
  long fail_from;        // for tests: allocations by Lua fail from this one on; 0: never
  long allocations;      // allocations by Lua that asked for more, counted since fail_from was set

  uint64_t nanoseconds;  // budget of the next outermost call
  int64_t instructions;  // budget of the next outermost call
  uint64_t deadline;     // of the running call, on the monotonic clock; 0: not read yet
  int64_t left;          // instructions left to the running call
  clua_flag *cancel;     // raised from any thread when the running call is cancelled; may be null
  int cancelled;         // the running call was told so
  int reason;            // CLUA_REASON_*: sticky for the rest of the call
  int raising;           // an error raised by the hook is on its way: hooks are off
  int noted;             // the place where the budget was spent has been noted
  int depth;             // nesting of calls from the host
  int disarmed;          // the main stack's hook was left as an expired call needs it
  int interval;          // instructions between two hooks
  unsigned steps;        // work of library functions since the clock was last read

  int blocked;           // coroutines below the current one that cannot yield
  int closing;           // nesting of coroutine.close
  int awaiting;          // the coroutine that just yielded waits for the host
  lua_State *waiting;    // the coroutine whose host function it is that waits
  int reply_raises;      // what the host resumes with is an error value

  // The place of the latest uncaught error, written before the stack is unwound.
  int frame_count;
  int frames_omitted;
  int carried;           // the next note adds to this one: the error passes from a coroutine into the one below
  int line;              // -1: unknown
  size_t message_offset; // where the message begins behind its "chunk:line: "
  char chunk[256];
  clua_frame frames[CLUA_FRAMES];
} clua_host;

const char *clua_release_name(void);

// A new state with its sandbox, or null where the machine has no memory left. `body` and `release` are called on
// the thread that uses the state.
clua_host *clua_open(int sandbox, clua_body body, clua_release release);
void clua_close(clua_host *host);

clua_flag *clua_flag_new(void);
void clua_flag_raise(clua_flag *flag);
int clua_flag_raised(const clua_flag *flag);
void clua_flag_free(clua_flag *flag);

uint64_t clua_now(void);  // nanoseconds on the monotonic clock

// MARK: wrappers: catch what is raised

// Pushes the message handler and the value kept under `reference` on the current stack, ready for arguments.
// Answers 0 where the stack cannot take `extra` more slots (nothing is pushed then).
int clua_begin(clua_host *host, int reference, int extra);
// As clua_begin, for a function that is on top of the current stack.
int clua_begin_top(clua_host *host, int extra);
// Calls what clua_begin prepared. The results (or the error value) are on top, the handler below them.
int clua_call(clua_host *host, int arguments, int results);
// Compiles text (never binary chunks) and pushes the function or the error message.
int clua_load(clua_host *host, const char *source, size_t length, const char *name);
// Runs the coroutine `thread` until it ends, fails or waits for the host. What is resumed with is on its stack.
int clua_resume(clua_host *host, lua_State *thread, int arguments, int *results);
// Prepares `thread` to run, by its first clua_resume, the value kept under `reference`. 0: no stack.
int clua_thread_begin(clua_host *host, lua_State *thread, int reference, int extra);
// Forgets what `thread` was doing, running pending <close> variables.
int clua_thread_reset(clua_host *host, lua_State *thread);

// MARK: raise only for lack of memory: called while `enforce` is 0

lua_State *clua_thread_new(clua_host *host, int *reference);
int clua_keep(lua_State *L);  // pops a value and answers its reference
void clua_drop(lua_State *L, int reference);
void clua_push_host(lua_State *L, void *context);  // takes over one retain of `context`
void clua_push_environment(lua_State *L);          // a table with its own copies of the library
void clua_set_field(lua_State *L, int index, const char *key, size_t length);  // raw; pops the value
void clua_get_field(lua_State *L, int index, const char *key, size_t length);  // raw; pushes the value
const char *lua_pushlstring(lua_State *L, const char *bytes, size_t length);
void lua_createtable(lua_State *L, int items, int fields);
void lua_rawseti(lua_State *L, int index, clua_integer key);
int lua_next(lua_State *L, int index);  // also raises on a key that is not in the table: only pass its own keys
// The metatable's __name, if that is a string; pushes nothing.
int clua_type_tag(lua_State *L, int index, const char **name, size_t *length);
// Pushes `message` behind the place of the Lua code that called the host function running on `caller`: "chunk:12: message".
void clua_push_error(lua_State *L, lua_State *caller, const char *message, size_t length);

// MARK: never raise

int clua_set_environment(lua_State *L, int function);  // pops a table, makes it the function's _ENV
// Where the function `level` levels above the running host function is: its chunk without the leading mark, or
// null. `line` is -1 where it is not Lua code.
const char *clua_position(lua_State *L, int level, int *line);
int clua_can_await(lua_State *L);
const char *clua_error_chunk(const clua_host *host);
const clua_frame *clua_error_frame(const clua_host *host, int index);
const char *clua_frame_chunk(const clua_frame *frame);
const char *clua_frame_name(const clua_frame *frame);
void clua_pop(lua_State *L, int count);
int clua_absolute(lua_State *L, int index);
int clua_is_integer(lua_State *L, int index);
const char *clua_to_string(lua_State *L, int index, size_t *length);  // null where it is no string
int lua_gettop(lua_State *L);
void lua_settop(lua_State *L, int index);
int lua_checkstack(lua_State *L, int slots);
int lua_type(lua_State *L, int index);
void lua_pushvalue(lua_State *L, int index);
void lua_pushnil(lua_State *L);
void lua_pushboolean(lua_State *L, int value);
void lua_pushinteger(lua_State *L, clua_integer value);
void lua_pushnumber(lua_State *L, double value);
int lua_toboolean(lua_State *L, int index);
clua_integer lua_tointegerx(lua_State *L, int index, int *valid);
double lua_tonumberx(lua_State *L, int index, int *valid);
const void *lua_topointer(lua_State *L, int index);
int lua_rawgeti(lua_State *L, int index, clua_integer key);
unsigned long long lua_rawlen(lua_State *L, int index);
void clua_push_reference(lua_State *L, int reference);
void clua_set_metatable(lua_State *L, int table);  // pops the metatable
