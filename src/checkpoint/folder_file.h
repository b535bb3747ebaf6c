// Files of a folder whose names stand in another file: indexes and the metadata of distributed checkpoints.
#pragma once

#include <string>
#include <string_view>

namespace sconce::checkpoint {

// The folder that the file at `path` lies in: "." for a plain name.
std::string folder_of(const std::string& path);

// Throws kUnsafe unless `name` is the name of a file: no separators, not "..", no control characters.
void check_file_name(std::string_view name);

// The path of the file `name` of `folder`. Errors: kUnsafe for what is not a plain name and for a symbolic
// link that leads out of the folder (those of the Hugging Face cache, which lead to its own blobs, may);
// kNotFound when there is no such file.
std::string file_in_folder(const std::string& folder, std::string_view name);

}  // namespace sconce::checkpoint
