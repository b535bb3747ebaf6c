// The parts of a diff that read no tensor.
#pragma once

#include "sconce/toolbox/diff.h"

namespace sconce::toolbox {

// True when the options' filter lets a name through.
bool is_chosen(const DiffOptions& options, const std::string& name);

// Fills values, equal_values and near_values.
void diff_values(const checkpoint::Listing& a, const checkpoint::Listing& b, const DiffOptions& options,
                 Diff& out);

// Adds what differs in structure between the paired tensors and between the trees. Pairs must be complete.
void diff_structure(const checkpoint::Listing& a, const checkpoint::Listing& b, const DiffOptions& options,
                    Diff& out);

}  // namespace sconce::toolbox
