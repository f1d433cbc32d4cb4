// The actor behind caf::aout(), event based: CAF's own blocks a thread.
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <caf/all.hpp>

#include "host.hpp"

namespace tandem::actors::detail {
namespace {

using sink = std::function<void(std::string)>;

class printer_state {
 public:
  explicit printer_state(caf::actor_system& s) : system_(s) {}
  ~printer_state() {
    for (auto& [id, w] : writers_) flush(w);
  }

  void add(caf::actor_id id, const std::string& text) {
    writer& w = writers_[id];
    w.line += text;
    if (!w.line.empty() && w.line.back() == '\n') flush(w);
  }
  void flush(caf::actor_id id) {
    if (const auto found = writers_.find(id); found != writers_.end()) flush(found->second);
  }
  void forget(caf::actor_id id) {
    flush(id);
    writers_.erase(id);
  }
  void redirect_all(const std::string& where, int flags) { everyone_ = open(where, flags); }
  void redirect(caf::actor_id id, const std::string& where, int flags) { writers_[id].to = open(where, flags); }

 private:
  struct writer {
    std::string line;
    std::shared_ptr<sink> to;
  };

  void flush(writer& w) {
    if (w.line.empty()) return;
    const auto& to = w.to ? w.to : everyone_;
    if (to) {
      (*to)(std::move(w.line));
    } else {
      std::fwrite(w.line.data(), 1, w.line.size(), stdout);
      std::fflush(stdout);
    }
    w.line.clear();
  }

  // ":name" is a group that is sent the lines. Null goes back to the default.
  std::shared_ptr<sink> open(const std::string& where, int flags) {
    if (where.empty()) return nullptr;
    if (const auto known = open_[where].lock()) return known;
    std::shared_ptr<sink> made;
    if (where.front() == ':') {
      made = std::make_shared<sink>([to = system_.groups().get_local(where), where](std::string line) {
        caf::anon_send(to, where, std::move(line));
      });
    } else {
      const auto mode = (flags & caf::actor_ostream::append) != 0 ? std::ios::out | std::ios::app : std::ios::out;
      auto file = std::make_shared<std::ofstream>(where, mode);
      if (!file->is_open()) {
        std::fprintf(stderr, "tandem: cannot open %s for aout()\n", where.c_str());
        return nullptr;
      }
      made = std::make_shared<sink>([file](const std::string& line) { *file << line << std::flush; });
    }
    open_[where] = made;
    return made;
  }

  caf::actor_system& system_;
  std::map<caf::actor_id, writer> writers_;
  std::map<std::string, std::weak_ptr<sink>> open_;
  std::shared_ptr<sink> everyone_;
};

// A class, not a function: CAF's functor actors without arguments use a null shared_ptr, which UBSan reports.
class printer final : public caf::event_based_actor {
 public:
  explicit printer(caf::actor_config& config) : caf::event_based_actor(config), state_(system()) {}
  const char* name() const override { return "printer"; }

 protected:
  caf::behavior make_behavior() override {
    return {
        [this](caf::add_atom, caf::actor_id id, const std::string& text) { state_.add(id, text); },
        [this](caf::flush_atom, caf::actor_id id) { state_.flush(id); },
        [this](caf::delete_atom, caf::actor_id id) { state_.forget(id); },
        [this](caf::close_atom) { quit(); },
        [this](caf::redirect_atom, const std::string& where, int flags) { state_.redirect_all(where, flags); },
        [this](caf::redirect_atom, caf::actor_id id, const std::string& where, int flags) {
          state_.redirect(id, where, flags);
        },
    };
  }

 private:
  printer_state state_;
};

}  // namespace

caf::actor spawn_printer(caf::actor_system& system) { return system.spawn<printer, caf::hidden>(); }

}  // namespace tandem::actors::detail
