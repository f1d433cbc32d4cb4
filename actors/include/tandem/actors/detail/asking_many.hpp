// The inside of ask_all() and ask_first().
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/operations.hpp>
#include <tandem/actors/detail/race.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>

namespace tandem::actors::detail {

template <class Ref, class T>
struct asked_through;
template <class... Signatures, class T>
  requires in_protocol<T, Signatures...>
struct asked_through<actor_ref<Signatures...>, T> : signature<picked_signature<T, Signatures...>> {};

template <class Refs, class T>
using asked_by = asked_through<std::ranges::range_value_t<Refs>, T>;
template <class Refs, class T>
using many_message = typename asked_by<Refs, T>::message;
template <class Refs, class T>
using many_reply = typename asked_by<Refs, T>::reply;
/// A range of refs whose protocol has an ask that the value stands for.
template <class Refs, class T>
concept askable_refs = requires { typename many_message<Refs, T>; } && !asked_by<Refs, T>::is_tell;

template <class Refs>
[[nodiscard]] std::vector<target_ptr> targets_of(const Refs& refs) {
  std::vector<target_ptr> all;
  for (const auto& ref : refs) all.push_back(ref.target());
  return all;
}

/// A question that may still wait for room; destroyed, it is withdrawn then.
class sent_question {
 public:
  sent_question() = default;
  sent_question(const sent_question&) = delete;
  sent_question& operator=(const sent_question&) = delete;
  ~sent_question() {
    if (queued_) (void)to_->cancel_wait(waiter_);
  }

  /// What cannot be delivered is failed.
  void send(target_ptr to, envelope_ptr question) noexcept {
    to_ = std::move(to);
    waiter_.message = std::move(question);
    if (!to_) {
      waiter_.message->fail(empty_ref());
    } else if (!send_or_queue(*to_, waiter_, queued_)) {
      waiter_.message->fail(std::move(waiter_.why));
    }
  }

 private:
  target_ptr to_;
  bool queued_ = false;
  room_waiter waiter_;
};

inline constexpr tandem::detail::wait_kind answers_of_many{"the answers of several actors",
                                                           &tandem::detail::completion_wait::cancel, nullptr,
                                                           &tandem::detail::completion_wait::leave};

/// Two shares: one for the envelope, one for the asker.
template <class R>
[[nodiscard]] tandem::detail::completion<R>* make_answer() {
  return new tandem::detail::completion_of<R, answers_of_many>;
}

/// When the asked see the asker give up.
[[nodiscard]] inline time_point deadline_of_asks(time_point until) noexcept {
  const time_point context_end = this_task::context().deadline();
  return until < context_end ? until : context_end;
}

template <class M, class R>
task<std::vector<result<R>>> all_answers(std::vector<target_ptr> to, M message, duration limit) {
  std::vector<result<R>> answers;
  answers.reserve(to.size());
  if (const auto go_on = this_task::check(); !go_on) {
    for (std::size_t i = 0; i < to.size(); ++i) answers.push_back(fail(go_on.error()));
    co_return answers;
  }
  const time_point until = deadline_in(limit);
  const time_point deadline = deadline_of_asks(until);
  std::vector<tandem::detail::completion_ptr<R>> waiting;
  waiting.reserve(to.size());
  const std::unique_ptr<sent_question[]> sent(new sent_question[to.size()]);
  for (std::size_t i = 0; i < to.size(); ++i) {
    auto* const answer = make_answer<R>();
    waiting.emplace_back(answer);
    sent[i].send(std::move(to[i]), envelope_ptr(new asked<M, R>(std::as_const(message), deadline, answer)));
  }
  for (auto& one : waiting) {
    result<R> answer = co_await tandem::detail::join_operation<R>(one, until);
    answers.push_back(within(until, nullptr, std::move(answer)));
  }
  co_return answers;
}

template <class M, class R>
task<result<R>> first_answer(std::vector<target_ptr> to, M message, duration limit) {
  if (auto go_on = this_task::check(); !go_on) co_return fail(std::move(go_on).error());
  const time_point until = deadline_in(limit);
  const time_point deadline = deadline_of_asks(until);
  auto* const answer = make_answer<R>();
  tandem::detail::completion_ptr<R> waiting(answer);
  using question = typed_envelope<M, R>;
  auto asking =
      std::make_shared<race<M, R>>(std::unique_ptr<question>(new asked<M, R>(std::move(message), deadline, answer)));
  std::vector<envelope_ptr> copies;
  copies.reserve(to.size());
  for (std::size_t i = 0; i < to.size(); ++i)
    copies.emplace_back(new raced<M, R>(asking->origin().value, asking, deadline));
  const std::unique_ptr<sent_question[]> sent(new sent_question[to.size()]);
  for (std::size_t i = 0; i < to.size(); ++i) sent[i].send(std::move(to[i]), std::move(copies[i]));
  asking->leave({});
  result<R> outcome = co_await tandem::detail::join_operation<R>(waiting, until);
  co_return within(until, nullptr, std::move(outcome));
}

}  // namespace tandem::actors::detail
