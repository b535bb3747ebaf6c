// A request to stop what is running, as Ctrl-C makes it. Library functions that work long look at it between
// pieces of work and leave by way of an exception, so that everything half-done is undone.
#pragma once

namespace sconce {

// Asks running operations to stop. Safe in a signal handler and from any thread.
void request_stop() noexcept;
// Forgets the request.
void clear_stop_request() noexcept;
bool stop_requested() noexcept;
// Throws Error kInterrupted when a stop is requested.
void throw_if_stop_requested();

}  // namespace sconce
