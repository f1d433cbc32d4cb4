#include "world.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include <fmt/format.h>

#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::detail {

void make_ready(task_record& task) noexcept {
  if (model::on_make_ready) model::on_make_ready(task);
}

// No pool: what it does is no part of any model.
#if TANDEM_NESTED_RESUME
void* pool_allocate(std::size_t bytes) { return ::operator new(bytes); }
void pool_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }
#else
constinit thread_local block_bins pool_bins::current;  // which never have a block, nor room for one
void* pool_refill(std::size_t bytes) { return ::operator new(bytes); }
void pool_make_room(void* memory, std::size_t) noexcept { ::operator delete(memory); }
#endif

}  // namespace tandem::detail

namespace tandem::model {

detail::task_record& some_task() {
  // Only its address is used.
  alignas(detail::task_record) static std::byte memory[sizeof(detail::task_record)];
  return reinterpret_cast<detail::task_record&>(memory);
}

void expect_holds(options how, const scenario& what) {
  if (const char* const more = std::getenv("TANDEM_MODEL_PREEMPTIONS"); more && how.preemptions >= 0) {
    how.preemptions += std::atoi(more);
    how.most_executions = SIZE_MAX;
  }
  const outcome found = explore(how, what);
  EXPECT_EQ(found.failure, "") << found.trace;
  EXPECT_TRUE(found.complete) << "the bound of executions was reached";
  fmt::print("[  EXPLORED ] {} executions\n", found.executions);
}

std::vector<std::string> unnoticed(mutation::kind mistake, step what, const std::string& file,
                                   const std::vector<model>& models, const std::function<bool(const site&)>& only) {
  std::vector<site> sites;
  for (model m : models) {
    m.how.most_executions = 1'000;  // those visit nearly every line
    for (const site& s : explore(m.how, m.what).sites)
      if (s.what == what && s.file == file && (!only || only(s)) &&
          std::find(sites.begin(), sites.end(), s) == sites.end())
        sites.push_back(s);
  }
  EXPECT_FALSE(sites.empty()) << "no such site was visited: this proves nothing";
  std::vector<std::string> left;
  for (const site& s : sites) {
    bool noticed = false;
    for (model m : models) {
      m.how.mistake = {mistake, s};
      if (const outcome found = explore(m.how, m.what); !found.failure.empty()) {
        noticed = true;
        break;
      }
    }
    if (!noticed) left.push_back(s.text());
  }
  fmt::print("[  MUTATED  ] {} sites, {} unnoticed\n", sites.size(), left.size());
  return left;
}

}  // namespace tandem::model
