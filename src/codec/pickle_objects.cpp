// Globals, and what Python would have called: kept as nodes, never called.
#include "codec/pickle_builder.h"
#include "sconce/codec/pickle_names.h"

namespace sconce::pickle::detail {

void Builder::push_global(std::string_view module, std::string_view name) {
  if (!is_utf8(module) || !is_utf8(name)) corrupt("the name of a global is not valid UTF-8");
  const auto [at, fresh] = global_index_.try_emplace(cat(module, '\n', name), arena_.globals.size());
  if (fresh) {
    charge(sizeof(Global) + 2 * (module.size() + name.size()) + 64);
    const QualifiedName modern = modern_name({module, name});
    arena_.globals.push_back({modern.module, modern.name, module, name, op_offset()});
  }
  Record record = record_of(Kind::kGlobal);
  record.side = static_cast<std::uint32_t>(at->second);
  push_new(record);
}

void Builder::push_global_named_by_stack() {
  const NodeId name = pop();
  const NodeId module = pop();
  if (kind(name) != Kind::kString || kind(module) != Kind::kString) {
    corrupt(cat("a global needs two strings, found ", describe(module), " and ", describe(name)));
  }
  push_global(arena_.text(arena_.at(module)), arena_.text(arena_.at(name)));
}

void Builder::push_object(ObjectKind made_by, NodeId callable, NodeId args, NodeId kwargs) {
  const Kind what = kind(callable);
  if (what != Kind::kGlobal && what != Kind::kObject && what != Kind::kPersistent) {
    corrupt(cat("expected a class or function, found ", describe(callable)));
  }
  if (kind(args) != Kind::kTuple) corrupt(cat("expected a tuple of arguments, found ", describe(args)));
  Record record = record_of(Kind::kObject);
  record.side = static_cast<std::uint32_t>(arena_.objects.size());
  charge(sizeof(ObjectData));
  ObjectData& object = arena_.objects.emplace_back();
  object.kind = made_by;
  object.callable = callable;
  object.args = args;
  object.kwargs = kwargs;
  push_new(record);
}

void Builder::push_reduce() {
  const NodeId args = pop();
  push_object(ObjectKind::kReduce, pop(), args);
}

void Builder::push_newobj() {
  const NodeId args = pop();
  push_object(ObjectKind::kNewObj, pop(), args);
}

void Builder::push_newobj_ex() {
  const NodeId kwargs = pop();
  const NodeId args = pop();
  if (kind(kwargs) != Kind::kDict) {
    corrupt(cat("expected a dict of keyword arguments, found ", describe(kwargs)));
  }
  push_object(ObjectKind::kNewObjEx, pop(), args, kwargs);
}

void Builder::push_obj() {
  const std::size_t mark = pop_mark();
  const auto values = since(mark);
  if (values.empty()) corrupt("expected a class above the mark, found nothing");
  const NodeId cls = values[0];
  const NodeId args = add_tuple(values.subspan(1));
  drop_to(mark);
  push_object(ObjectKind::kObj, cls, args);
}

void Builder::push_inst(std::string_view module, std::string_view name) {
  const std::size_t mark = pop_mark();
  const NodeId args = add_tuple(since(mark));
  drop_to(mark);
  push_global(module, name);
  push_object(ObjectKind::kInst, pop(), args);
}

void Builder::build() {
  const NodeId state = pop();
  const Record& record = arena_.at(top());
  if (record.kind != Kind::kObject) corrupt(cat("expected an object to set up, found ", describe(top())));
  append_to(arena_.objects[record.side].states, {&state, 1});
}

void Builder::push_persistent() {
  const NodeId pid = pop();
  Record record = record_of(Kind::kPersistent);
  record.first = pid;
  push_new(record);
}

}  // namespace sconce::pickle::detail
