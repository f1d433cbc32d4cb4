#include <tandem/resilience/policy.hpp>

#include <atomic>
#include <mutex>

#include <tandem/resilience/state_per.hpp>

namespace tandem::resilience {
namespace detail {

// All states in the order of their making. Never destroyed: policies may outlive main().
class policy_registry {
 public:
  static policy_registry& get() {
    static auto* const instance = new policy_registry;
    return *instance;
  }

  void add(policy_state& s) {
    const std::lock_guard hold(lock_);
    s.previous_ = last_;
    (last_ ? last_->next_ : first_) = &s;
    last_ = &s;
    s.listed_ = true;
  }
  void remove(policy_state& s) noexcept {
    const std::lock_guard hold(lock_);
    if (!std::exchange(s.listed_, false)) return;
    (s.previous_ ? s.previous_->next_ : first_) = s.next_;
    (s.next_ ? s.next_->previous_ : last_) = s.previous_;
  }
  template <class F>
  void each(const F& f) {
    const std::lock_guard hold(lock_);
    for (const policy_state* s = first_; s; s = s->next_) f(*s);
  }

 private:
  std::mutex lock_;
  policy_state* first_ = nullptr;  // guarded by lock_
  policy_state* last_ = nullptr;
};

namespace {

std::string name_or_number(const char* kind, std::string name) {
  if (!name.empty()) return name;
  static std::atomic<std::uint64_t> made{0};
  return std::string(kind) + "-" + std::to_string(made.fetch_add(1, std::memory_order_relaxed) + 1);  // only unique
}

policy_info info_of(const policy_state& s) { return {s.kind(), s.name(), s.settings(), s.state(), s.counters()}; }

}  // namespace

policy_state::policy_state(const char* kind, std::string name)
    : kind_(kind), name_(name_or_number(kind, std::move(name))) {}
policy_state::~policy_state() = default;
void policy_state::enlist() { policy_registry::get().add(*this); }
void policy_state::delist() noexcept { policy_registry::get().remove(*this); }

}  // namespace detail

std::string_view to_string(criticality c) noexcept {
  switch (c) {
    case criticality::sheddable: return "sheddable";
    case criticality::sheddable_plus: return "sheddable_plus";
    case criticality::critical: break;
    case criticality::critical_plus: return "critical_plus";
  }
  return "critical";
}

std::string_view to_string(state_per p) noexcept {
  switch (p) {
    case state_per::policy: break;
    case state_per::target: return "target";
    case state_per::method: return "method";
    case state_per::target_and_method: return "target and method";
  }
  return "policy";
}

policy_info policy::info() const { return detail::info_of(*state_); }
std::string to_string(const policy& p) {
  return std::string(p.state_->kind()) + "(" + p.state_->settings() + ")";
}

std::vector<policy_info> list_policies() {
  std::vector<policy_info> all;
  detail::policy_registry::get().each([&](const detail::policy_state& s) { all.push_back(detail::info_of(s)); });
  return all;
}

bool is_failure_of_target(const error& e) noexcept {
  switch (e.code()) {
    case errc::unknown:
    case errc::deadline_exceeded:
    case errc::timed_out:
    case errc::resource_exhausted:
    case errc::internal:
    case errc::unavailable:
    case errc::data_loss:
    case errc::overloaded:
      return static_cast<bool>(e);
    default:
      return false;
  }
}

}  // namespace tandem::resilience
