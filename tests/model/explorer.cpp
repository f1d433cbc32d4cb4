#include "explorer.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <ucontext.h>

#include <fmt/format.h>

namespace tandem::model {
namespace {

constexpr std::size_t most_objects = 96;
constexpr std::size_t stack_bytes = 256 * 1024;
constexpr unsigned most_passed_over = 4;
constexpr int delay_steps = 12;  // of a store that a mutation delays

/// For each word, the oldest of its values that may still be read.
struct view {
  std::array<std::uint16_t, most_objects> seen{};
  void join(const view& other) noexcept {
    for (std::size_t i = 0; i < most_objects; ++i) seen[i] = std::max(seen[i], other.seen[i]);
  }
};

struct value {
  std::uint64_t bits;
  view carried;  // what an acquiring reader gets to see
};

struct word {
  std::vector<value> history;
  bool held = false;                 // a mutex's
  view released;                     // a mutex's
  std::vector<unsigned> sleepers;    // a futex's
};

constexpr unsigned no_object = ~0U;

struct pending_step {
  step what = step::resume;
  unsigned target = no_object;
  bool seq_cst = false;
};

bool writes(step s) noexcept { return s != step::load; }

bool dependent(const pending_step& a, const pending_step& b) noexcept {
  if (a.what == step::heavy_fence || b.what == step::heavy_fence) return true;
  if (a.what == step::pause || b.what == step::pause) return true;
  if (a.seq_cst && b.seq_cst) return true;
  return a.target == b.target && a.target != no_object && (writes(a.what) || writes(b.what));
}

struct delayed_store {
  bool any = false;
  unsigned target = 0;
  std::uint64_t bits = 0;
  order with{};
  int steps_left = 0;
};

struct fiber {
  ucontext_t context{};
  std::string name;
  std::function<void()> body;
  bool done = false;
  bool blocked = false;  // asleep on a futex
  bool limited = false;  // and its sleep has a limit
  bool timed_out = false;
  unsigned passed_over = 0;  // times that another one's limited sleep ended instead
  pending_step next;
  view now;        // what this thread has seen
  view on_acquire; // what an acquire fence would add
  view on_release; // what a relaxed store after a release fence carries
  bool fresh = false;
  std::uint64_t others_wrote_at_pause = ~0ULL;
  std::uint64_t own_writes = 0;
  time_point clock{};
  delayed_store late;
};

struct choice {
  unsigned options;
  unsigned taken;
};

const char* name_of(step s) {
  constexpr const char* names[] = {"load", "store", "exchange", "fence", "heavy fence", "lock",
                                   "unlock", "wait", "wake", "pause", "resume"};
  return names[static_cast<unsigned>(s)];
}

const char* name_of(order o) {
  switch (o) {
    case order::relaxed: return "relaxed";
    case order::acquire:
    case order::consume: return "acquire";
    case order::release: return "release";
    case order::acq_rel: return "acq_rel";
    case order::seq_cst: return "seq_cst";
  }
  return "";
}

bool acquires(order o) noexcept { return o != order::relaxed && o != order::release; }
bool releases(order o) noexcept { return o == order::release || o == order::acq_rel || o == order::seq_cst; }

}  // namespace

class explorer {
 public:
  explorer(const options& how, const std::function<void(world&)>& scenario) : how_(how), scenario_(scenario) {}

  outcome all() {
    for (;;) {
      execute();
      ++result_.executions;
      if (!result_.failure.empty()) {
        result_.choices.clear();
        for (const choice& c : choices_) result_.choices.push_back(c.taken);
        return result_;
      }
      while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().options) choices_.pop_back();
      if (choices_.empty()) {
        result_.complete = true;
        return result_;
      }
      ++choices_.back().taken;
      if (result_.executions >= how_.most_executions) return result_;
    }
  }

  outcome one(std::vector<unsigned> choices) {
    forced_ = std::move(choices);
    replaying_ = true;
    execute();
    ++result_.executions;
    result_.choices = forced_;
    return result_;
  }

  // What the scenario's code calls.
  unsigned add_object(std::uint64_t first) {
    if (words_.size() == most_objects) {
      fail("the scenario has more atomics than the model has room for");
      return most_objects - 1;
    }
    words_.push_back({});
    words_.back().history.push_back({first, {}});
    return static_cast<unsigned>(words_.size() - 1);
  }

  std::uint64_t load(unsigned target, order o, const where& at) {
    o = visit({step::load, target, o == order::seq_cst}, o, at);
    word& w = words_[target];
    const auto newest = static_cast<unsigned>(w.history.size() - 1);
    if (mutated(mutation::kind::freeze, step::load, at)) return w.history[0].bits;
    view& now = self().now;
    if (o == order::seq_cst) now.seen[target] = std::max(now.seen[target], seq_cst_.seen[target]);
    unsigned index = newest;
    const unsigned oldest = now.seen[target];
    if (current_ && !self().fresh && old_values_ < how_.old_values && oldest < newest) {
      index = newest - choose(newest - oldest + 1);
      if (index != newest) ++old_values_;
    }
    read(w, target, index, o);
    note([&] { return fmt::format("= {:#x}{}", w.history[index].bits, index == newest ? "" : " (old)"); });
    return w.history[index].bits;
  }

  void store(unsigned target, std::uint64_t bits, order o, const where& at) {
    o = visit({step::store, target, o == order::seq_cst}, o, at);
    note([&] { return fmt::format("= {:#x}", bits); });
    if (mutated(mutation::kind::delay, step::store, at)) {
      finish_late(true);
      self().late = {true, target, bits, o, delay_steps};
      return;
    }
    write(target, bits, o, nullptr);
  }

  std::uint64_t exchange(unsigned target, change_function change, void* argument, order o, order otherwise,
                         const where& at) {
    const order asked = o;
    o = visit({step::exchange, target, o == order::seq_cst}, o, at);
    if (o != asked) otherwise = order::relaxed;
    const auto index = static_cast<unsigned>(words_[target].history.size() - 1);
    const value old = words_[target].history[index];
    std::uint64_t bits = old.bits;
    const bool changed = change(bits, argument);
    read(words_[target], target, index, changed ? o : otherwise);
    note([&] { return changed ? fmt::format("{:#x} -> {:#x}", old.bits, bits) : fmt::format("= {:#x}", old.bits); });
    if (!changed) return old.bits;
    const bool torn = mutated(mutation::kind::tear, step::exchange, at);
    if (torn) enter({step::store, target, o == order::seq_cst});
    write(target, bits, o, torn ? nullptr : &old.carried);
    return old.bits;
  }

  void fence(order o, const where& at) {
    visit({step::fence, no_object, o == order::seq_cst}, o, at);
    if (mutated(mutation::kind::drop, step::fence, at)) return;
    fiber& f = self();
    if (acquires(o)) f.now.join(f.on_acquire);
    if (o == order::seq_cst) meet(f);
    if (releases(o)) f.on_release = f.now;
  }

  void heavy_fence(const where& at) {
    visit({step::heavy_fence, no_object, true}, order::seq_cst, at);
    if (mutated(mutation::kind::drop, step::heavy_fence, at)) return;
    full_fence(self());
    for (auto& f : fibers_)
      if (f.get() != &self()) full_fence(*f);
    full_fence(self());
  }

  void lock(unsigned target, const where& at) {
    visit({step::lock, target, false}, order::acquire, at);
    words_[target].held = true;
    self().now.join(words_[target].released);
    wrote();
  }
  bool try_lock(unsigned target, const where& at) {
    visit({step::exchange, target, false}, order::acquire, at);
    if (words_[target].held) return false;
    words_[target].held = true;
    self().now.join(words_[target].released);
    wrote();
    return true;
  }
  void unlock(unsigned target, const where& at) {
    visit({step::unlock, target, false}, order::release, at);
    words_[target].held = false;
    words_[target].released = self().now;
    wrote();
  }

  bool futex_wait(unsigned target, std::uint64_t seen, duration limit, const where& at) {
    visit({step::wait, target, false}, order::relaxed, at);
    word& w = words_[target];
    if (w.history.back().bits != seen && !mutated(mutation::kind::blind, step::wait, at)) return true;
    fiber& f = self();
    f.blocked = true;
    f.limited = limit <= how_.longest_sleep;
    f.timed_out = false;
    w.sleepers.push_back(*current_);
    enter({step::resume, target, false});
    return !f.timed_out;
  }

  void futex_wake(unsigned target, const where& at) {
    visit({step::wake, target, false}, order::relaxed, at);
    if (mutated(mutation::kind::drop, step::wake, at)) return;
    auto& sleepers = words_[target].sleepers;
    if (sleepers.empty()) return;
    fibers_[sleepers.front()]->blocked = false;
    sleepers.erase(sleepers.begin());
  }

  void pause(const where& at) {
    if (!current_) return;
    visit({step::pause, no_object, false}, order::relaxed, at);
    fiber& f = self();
    f.others_wrote_at_pause = writes_ - f.own_writes;
    f.fresh = true;
  }

  time_point clock_now() {
    self().clock += std::chrono::milliseconds(1);
    return self().clock;
  }
  time_point clock() { return self().clock; }

  std::uint64_t plain_read(unsigned target, const where& at) {
    const word& w = words_[target];
    if (self().now.seen[target] + 1U != w.history.size())
      fail(fmt::format("{}:{} reads what another thread wrote without ordering", at.file_name(), at.line()));
    return w.history.back().bits;
  }
  void plain_write(unsigned target, std::uint64_t bits, const where& at) {
    if (self().now.seen[target] + 1U != words_[target].history.size())
      fail(fmt::format("{}:{} writes what another thread wrote without ordering", at.file_name(), at.line()));
    words_[target].history.push_back({bits, {}});
    self().now.seen[target] = static_cast<std::uint16_t>(words_[target].history.size() - 1);
  }

  void fail(const std::string& what) {
    if (result_.failure.empty()) result_.failure = what;
    if (current_) {
      abandoned_ = true;
      leave();
    }
  }

  static explorer* running;
  static std::uint64_t execution;

 private:
  // One execution.
  void execute() {
    ++execution;
    words_.clear();
    fibers_.clear();
    sleeping_.clear();
    current_.reset();
    position_ = 0;
    preemptions_ = old_values_ = 0;
    steps_ = writes_ = 0;
    abandoned_ = false;
    seq_cst_ = {};
    outside_ = {};
    result_.trace.clear();
    {
      world w;
      scenario_(w);
      for (word& each : words_) {
        // What the scenario's set-up did is visible to all threads.
        each.history.erase(each.history.begin(), each.history.end() - 1);
        each.history.front().carried = {};
      }
      seq_cst_ = {};
      for (auto& part : w.threads) add_fiber(part);
      for (unsigned i = 0; i < fibers_.size() && !abandoned_; ++i) enter_fiber(i, main_);
      current_.reset();
      starting_ = false;
      if (!abandoned_) run();
      current_.reset();
      outside_ = {};
      outside_now_is_newest();
      if (!abandoned_)
        for (const auto& check : w.checks)
          if (result_.failure.empty()) check();
      fibers_.clear();
    }
    starting_ = true;
  }

  void outside_now_is_newest() {
    for (std::size_t i = 0; i < words_.size(); ++i)
      outside_.now.seen[i] = static_cast<std::uint16_t>(words_[i].history.size() - 1);
  }

  void add_fiber(world::part& part) {
    auto f = std::make_unique<fiber>();
    f->name = part.name;
    f->body = part.body;
    while (stacks_.size() <= fibers_.size()) stacks_.push_back(std::make_unique<char[]>(stack_bytes));
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stacks_[fibers_.size()].get();
    f->context.uc_stack.ss_size = stack_bytes;
    f->context.uc_link = nullptr;
    makecontext(&f->context, reinterpret_cast<void (*)()>(&explorer::begin), 0);
    fibers_.push_back(std::move(f));
  }

  static void begin() {
    explorer& e = *running;
    fiber& f = e.self();
    f.body();
    e.finish_late(true);
    f.done = true;
    e.leave_for_next(false);
    std::abort();  // nobody resumes a fiber that is done
  }

  // Switching. A fiber runs without a step up to its first one; then run() begins to choose.
  void enter_fiber(unsigned which, ucontext_t& from) {
    current_ = which;
    swapcontext(&from, &fibers_[which]->context);
  }
  void leave() { swapcontext(&self().context, &main_); }

  void run() {
    const int next = pick(false);
    if (next < 0) return;
    enter_fiber(static_cast<unsigned>(next), main_);
  }

  // The running fiber is about to take `s`; returns when it may.
  void enter(const pending_step& s) {
    fiber& f = self();
    f.next = s;
    if (starting_) {
      leave();
      return;
    }
    leave_for_next(s.what != step::pause);
  }

  void leave_for_next(bool could_go_on) {
    if (starting_) {
      leave();
      return;
    }
    const int next = pick(could_go_on);
    if (next < 0) {
      leave();
      return;
    }
    const unsigned before = *current_;
    if (static_cast<unsigned>(next) == before) return;
    enter_fiber(static_cast<unsigned>(next), fibers_[before]->context);
  }

  [[nodiscard]] bool enabled(const fiber& f) const {
    if (f.done || f.blocked) return false;
    if (f.next.what == step::lock) return !words_[f.next.target].held;
    if (f.next.what == step::pause) return f.others_wrote_at_pause != writes_ - f.own_writes;
    return true;
  }

  // The fiber that takes the next step, or -1 at the end of the execution.
  int pick(bool could_go_on) {
    std::vector<unsigned> ready;
    for (unsigned i = 0; i < fibers_.size(); ++i)
      if (enabled(*fibers_[i])) ready.push_back(i);
    if (ready.empty()) {
      if (std::ranges::all_of(fibers_, [](const auto& f) { return f->done; })) return -1;
      return let_time_pass();
    }
    if (++steps_ > how_.most_steps) return give_up("this does not end");
    const bool goes_on = could_go_on && current_ && enabled(*fibers_[*current_]);
    if (goes_on) {
      std::erase(ready, *current_);
      ready.insert(ready.begin(), *current_);
      if (how_.preemptions >= 0 && preemptions_ >= how_.preemptions) ready.resize(1);
    }
    if (how_.preemptions < 0) {
      std::erase_if(ready, [&](unsigned i) { return std::ranges::find(sleeping_, i) != sleeping_.end(); });
      if (ready.empty()) {  // every order from here on was tried
        abandoned_ = true;
        return -1;
      }
    }
    // A sleep may also be over before the others are stuck.
    const std::size_t awake = ready.size();
    if (how_.preemptions >= 0 && preemptions_ < how_.preemptions)
      for (unsigned i = 0; i < fibers_.size(); ++i)
        if (fibers_[i]->blocked && fibers_[i]->limited) ready.push_back(i);
    const unsigned taken = choose(static_cast<unsigned>(ready.size()));
    const unsigned next = ready[taken];
    if (taken >= awake) end_sleep(next);
    if (how_.preemptions < 0) {
      sleeping_.insert(sleeping_.end(), ready.begin(), ready.begin() + taken);
      std::erase_if(sleeping_, [&](unsigned i) { return dependent(fibers_[i]->next, fibers_[next]->next); });
    }
    if (taken >= awake || (goes_on && next != *current_)) ++preemptions_;
    return static_cast<int>(next);
  }

  int let_time_pass() {
    std::vector<unsigned> limited;
    for (unsigned i = 0; i < fibers_.size(); ++i)
      if (fibers_[i]->blocked && fibers_[i]->limited) limited.push_back(i);
    if (limited.empty()) {
      std::string who;
      for (const auto& f : fibers_)
        if (!f->done) who += fmt::format("{}{} ({})", who.empty() ? "" : ", ", f->name, name_of(f->next.what));
      return give_up("nobody can go on: " + who);
    }
    if (++steps_ > how_.most_steps) return give_up("this does not end");
    // Time passes for all of them: nobody sleeps on while another's limit comes again and again.
    const auto overdue =
        std::ranges::find_if(limited, [&](unsigned i) { return fibers_[i]->passed_over == most_passed_over; });
    if (overdue != limited.end()) limited = {*overdue};
    const unsigned i = limited[choose(static_cast<unsigned>(limited.size()))];
    for (const unsigned other : limited) ++fibers_[other]->passed_over;
    end_sleep(i);
    sleeping_.clear();
    return static_cast<int>(i);
  }

  void end_sleep(unsigned i) {
    fiber& f = *fibers_[i];
    f.blocked = false;
    f.timed_out = true;
    f.passed_over = 0;
    for (word& w : words_) std::erase(w.sleepers, i);
  }

  int give_up(const std::string& why) {
    if (result_.failure.empty()) result_.failure = why;
    abandoned_ = true;
    return -1;
  }

  unsigned choose(unsigned options) {
    if (options == 1) return 0;
    if (replaying_) return position_ < forced_.size() ? forced_[position_++] : 0;
    if (position_ == choices_.size()) choices_.push_back({options, 0});
    return choices_[position_++].taken;
  }

  // Steps.
  order visit(const pending_step& s, order o, const where& at) {
    if (!current_) return o;
    remember(s.what, o, at);
    enter(s);
    finish_late(s.what == step::wait);
    if (replaying_) {
      if (!result_.trace.empty()) result_.trace += '\n';
      result_.trace += fmt::format("{:10} {}:{:<4} {} {}", self().name, base(at.file_name()), at.line(),
                                   name_of(s.what), s.what == step::pause ? "" : name_of(o));
      if (s.target != no_object) result_.trace += fmt::format(" #{}", s.target);
    }
    return mutated(mutation::kind::relax, s.what, at) ? order::relaxed : o;
  }

  template <class F>
  void note(F text) {
    if (replaying_ && current_) result_.trace += ' ' + text();
  }

  void remember(step what, order o, const where& at) {
    for (const known& k : known_)
      if (k.line == at.line() && k.column == at.column() && k.file == at.file_name() && k.what == what) return;
    known_.push_back({at.file_name(), at.line(), at.column(), what});
    result_.sites.push_back({what, o, base(at.file_name()), at.line(), at.column()});
  }

  static std::string base(const char* path) {
    const std::string text = path;
    return text.substr(text.rfind('/') + 1);
  }

  [[nodiscard]] bool mutated(mutation::kind kind, step what, const where& at) const {
    const mutation& m = how_.mistake;
    return m.what == kind && current_ && m.at.what == what && m.at.line == at.line() && m.at.column == at.column() &&
           m.at.file == base(at.file_name());
  }

  void finish_late(bool now) {
    delayed_store& late = self().late;
    if (!late.any || (!now && --late.steps_left > 0)) return;
    late.any = false;
    write(late.target, late.bits, late.with, nullptr);
  }

  void read(const word& w, unsigned target, unsigned index, order o) {
    fiber& f = self();
    f.now.seen[target] = std::max(f.now.seen[target], static_cast<std::uint16_t>(index));
    if (o == order::seq_cst) f.now.seen[target] = std::max(f.now.seen[target], seq_cst_.seen[target]);
    (acquires(o) ? f.now : f.on_acquire).join(w.history[index].carried);
  }

  // `continued`: what the value carried that a read-modify-write replaces, whose release sequence it goes on.
  void write(unsigned target, std::uint64_t bits, order o, const view* continued) {
    fiber& f = self();
    word& w = words_[target];
    const auto index = static_cast<std::uint16_t>(w.history.size());
    f.now.seen[target] = index;
    value v{bits, releases(o) ? f.now : f.on_release};
    v.carried.seen[target] = index;
    if (continued) v.carried.join(*continued);
    w.history.push_back(v);
    if (o == order::seq_cst) seq_cst_.seen[target] = index;
    wrote();
  }

  void wrote() {
    ++writes_;
    fiber& f = self();
    ++f.own_writes;
    f.fresh = false;
  }

  void meet(fiber& f) {
    f.now.join(seq_cst_);
    seq_cst_ = f.now;
  }
  void full_fence(fiber& f) {
    f.now.join(f.on_acquire);
    meet(f);
    f.on_release = f.now;
  }

  fiber& self() { return current_ ? *fibers_[*current_] : outside_; }

  struct known {
    std::string file;
    unsigned line, column;
    step what;
  };

  // An optional index: std::optional's assignments read worse.
  class fiber_index {
   public:
    explicit operator bool() const noexcept { return set_; }
    unsigned operator*() const noexcept { return index_; }
    fiber_index& operator=(unsigned i) noexcept {
      index_ = i;
      set_ = true;
      return *this;
    }
    void reset() noexcept { set_ = false; }

   private:
    unsigned index_ = 0;
    bool set_ = false;
  };

  const options how_;
  const std::function<void(world&)>& scenario_;
  outcome result_;

  std::vector<choice> choices_;  // the path of the depth-first search
  std::vector<unsigned> forced_;
  std::size_t position_ = 0;
  bool replaying_ = false;

  std::vector<word> words_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  std::vector<std::unique_ptr<char[]>> stacks_;
  fiber outside_;  // set-up and checks
  fiber_index current_;
  std::vector<unsigned> sleeping_;  // sleep set: fibers whose next step was tried here already
  view seq_cst_;
  int preemptions_ = 0;
  int old_values_ = 0;
  std::size_t steps_ = 0;
  std::uint64_t writes_ = 0;
  bool starting_ = true;
  bool abandoned_ = false;
  ucontext_t main_{};
  std::vector<known> known_;
};

explorer* explorer::running = nullptr;
std::uint64_t explorer::execution = 0;

namespace {

class run_guard {
 public:
  explicit run_guard(explorer& e) { explorer::running = &e; }
  ~run_guard() { explorer::running = nullptr; }
};

}  // namespace

unsigned object::id(std::uint64_t first) const {
  if (execution_ != explorer::execution) {
    execution_ = explorer::execution;
    id_ = explorer::running->add_object(first);
  }
  return id_;
}

std::uint64_t load(unsigned target, order o, const where& at) { return explorer::running->load(target, o, at); }
void store(unsigned target, std::uint64_t bits, order o, const where& at) {
  explorer::running->store(target, bits, o, at);
}
std::uint64_t exchange(unsigned target, change_function change, void* argument, order o, order otherwise,
                       const where& at) {
  return explorer::running->exchange(target, change, argument, o, otherwise, at);
}
void fence(order o, const where& at) { explorer::running->fence(o, at); }
void heavy_fence(const where& at) { explorer::running->heavy_fence(at); }
void lock(unsigned target, const where& at) { explorer::running->lock(target, at); }
bool try_lock(unsigned target, const where& at) { return explorer::running->try_lock(target, at); }
void unlock(unsigned target, const where& at) { explorer::running->unlock(target, at); }
bool futex_wait(unsigned target, std::uint64_t seen, time_point deadline, const where& at) {
  explorer& e = *explorer::running;
  return e.futex_wait(target, seen, deadline == no_deadline ? duration::max() : deadline - e.clock(), at);
}
void futex_wake(unsigned target, const where& at) { explorer::running->futex_wake(target, at); }
void pause(const where& at) { explorer::running->pause(at); }
time_point clock_now() { return explorer::running->clock_now(); }
std::uint64_t plain_read(unsigned target, const where& at) { return explorer::running->plain_read(target, at); }
void plain_write(unsigned target, std::uint64_t bits, const where& at) {
  explorer::running->plain_write(target, bits, at);
}

void fail(const std::string& what) { explorer::running->fail(what); }

void world::thread(std::string name, std::function<void()> body) {
  threads.push_back({std::move(name), std::move(body)});
}
void world::finally(std::function<void()> check) { checks.push_back(std::move(check)); }

std::string site::text() const { return fmt::format("{} {} at {}:{}", name_of(what), name_of(with), file, line); }

outcome replay(const options& how, const std::function<void(world&)>& scenario, std::vector<unsigned> choices) {
  explorer e(how, scenario);
  const run_guard running(e);
  return e.one(std::move(choices));
}

outcome explore(const options& how, const std::function<void(world&)>& scenario) {
  outcome found;
  {
    explorer e(how, scenario);
    const run_guard running(e);
    found = e.all();
  }
  if (!found.failure.empty()) found.trace = replay(how, scenario, found.choices).trace;
  return found;
}

}  // namespace tandem::model
