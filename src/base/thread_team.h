// The thread backend behind parallel_for: thread_team_openmp.cpp or thread_team_std.cpp, one of them built.
#pragma once

#include <functional>

namespace sconce {

// Runs work(0) .. work(count - 1), each once, at the same time where cores allow; returns when all are done.
void run_team(int count, const std::function<void(int)>& work);

}  // namespace sconce
