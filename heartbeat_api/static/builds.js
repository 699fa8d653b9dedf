// during a deploy two builds answer by turns: a wall goes to a new one once, and to one
// that it has met before only when its own answers no more

const LEFT_ALONE = 8;

// whether to leave the build of this page, after so many answers of others
export function leaves(own, build, others) {
  const met = (sessionStorage.builds ?? "").split(" ");
  if (met.includes(build) && others < LEFT_ALONE) return false;
  sessionStorage.builds = [...met, own, build].slice(-20).join(" ");
  return true;
}
