#include "nn/bench.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/output.h"
#include "common/text_format.h"
#include "nn/fma_loop.h"
#include "nn/measure.h"
#include "sconce/base/parallel.h"

namespace sconce::cli {
namespace {

struct BenchArguments {
  std::vector<std::string> archs = {"lenet", "resnet20"};
  std::vector<std::int64_t> batch_sizes = {4, 32};
  double seconds = 1;
  std::uint64_t checkpoint_size = std::uint64_t{64} << 20;
  std::string folder;
  int threads = 0;
  bool json = false;
};

double per_second(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

// Text is shown as it comes, JSON in the end.
class BenchReport {
 public:
  explicit BenchReport(bool json) : is_json_(json), json_(Json::object()) {}

  void machine(double one_thread, double all_threads) {
    json_["machine"] = {
        {"threads", num_threads()}, {"fma_gflops_one_thread", one_thread}, {"fma_gflops", all_threads}};
    show(fmt::format("machine: {:.0f} GFLOP/s of multiply-add on 1 thread, {:.0f} on {}\n", one_thread,
                     all_threads, num_threads()));
  }
  void step(const models::Model& arch, std::int64_t batch, const StepTimes& times) {
    const double images = per_second(static_cast<double>(batch), times.median);
    json_["train"].push_back({{"arch", arch.name},
                              {"batch_size", batch},
                              {"steps", times.steps},
                              {"median_us", times.median * 1e6},
                              {"best_us", times.best * 1e6},
                              {"images_per_second", images}});
    show(fmt::format("training step: {}, batch {}: {:.0f} us (best {:.0f}), {:.0f} images/s\n", arch.name,
                     batch, times.median * 1e6, times.best * 1e6, images));
  }
  void checkpoint(const CheckpointTimes& times) {
    const auto bytes = static_cast<double>(times.bytes);
    json_["checkpoint"] = {{"bytes", times.bytes},
                           {"tensors", times.tensors},
                           {"save_ms", times.save * 1e3},
                           {"load_ms", times.load * 1e3},
                           {"list_ms", times.list * 1e3}};
    show(fmt::format(
        "checkpoint of {} in {} tensor{}: save {:.1f} ms ({:.2f} GB/s), load {:.1f} ms ({:.2f} GB/s), "
        "list {:.2f} ms\n",
        human_bytes(times.bytes), times.tensors, times.tensors == 1 ? "" : "s", times.save * 1e3,
        per_second(bytes, times.save) / 1e9, times.load * 1e3, per_second(bytes, times.load) / 1e9,
        times.list * 1e3));
  }
  void end() const {
    if (is_json_) out().print_json(json_);
  }

 private:
  void show(const std::string& line) const {
    if (is_json_) return;
    out().print(line);
    out().flush();
  }

  bool is_json_;
  Json json_;
};

int run_bench(const BenchArguments& args) {
  std::vector<const models::Model*> archs;
  for (const std::string& name : args.archs) archs.push_back(&models::find(name));
  if (args.threads > 0) set_num_threads(args.threads);

  BenchReport report(args.json);
  const double one_thread = fma_gflops(1, args.seconds / 4);
  report.machine(one_thread, num_threads() == 1 ? one_thread : fma_gflops(num_threads(), args.seconds / 4));
  for (const models::Model* arch : archs) {
    for (const std::int64_t batch : args.batch_sizes) {
      report.step(*arch, batch, time_train_step(*arch, batch, args.seconds));
    }
  }
  if (args.checkpoint_size > 0) {
    report.checkpoint(
        time_checkpoint(args.folder.empty() ? std::filesystem::temp_directory_path().string() : args.folder,
                        args.checkpoint_size));
  }
  report.end();
  return kFine;
}

}  // namespace

Command bench_command() {
  return {
      "bench", "Measure training steps and checkpoint files on this machine",
      [](CLI::App& app) -> std::function<int()> {
        const auto args = std::make_shared<BenchArguments>();
        app.add_option("--arch", args->archs, "Models of the zoo")->delimiter(',')->capture_default_str();
        app.add_option("--batch-size", args->batch_sizes, "Pictures in a batch")
            ->delimiter(',')
            ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20))
            ->capture_default_str();
        app.add_option("--seconds", args->seconds, "Time for each measurement")
            ->check(CLI::Range(0.001, 3600.0))
            ->capture_default_str();
        app.add_option("--checkpoint-size", args->checkpoint_size,
                       "Bytes of the checkpoint (64MB, 1GB); 0: none")
            ->transform(CLI::AsSizeValue(false))
            ->capture_default_str();
        app.add_option("--folder", args->folder, "Where the checkpoint is written; default: the system's")
            ->type_name("DIR");
        app.add_option("--threads", args->threads, "Threads to compute with; default: one per core")
            ->check(CLI::Range(1, 4096));
        app.add_flag("--json", args->json, "Print one JSON object");
        app.footer(
            "Example:\n"
            "  sconce bench --arch resnet20 --batch-size 32,128 --checkpoint-size 1GB\n"
            "Other programs that run meanwhile show in every figure; the first line says what the machine\n"
            "gave.");
        return [args] { return run_bench(*args); };
      }};
}

}  // namespace sconce::cli
