// How threads of the OpenMP runtime wait for each other.
#pragma once

namespace sconce::cli {

// Starts this program anew with GOMP_SPINCOUNT set, unless the environment says already how threads wait: the
// runtime looks there before main() begins. Returns when there is nothing to do.
void choose_thread_waits(char** argv);

}  // namespace sconce::cli
