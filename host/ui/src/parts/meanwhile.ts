/** Answers of the host with what it told while they were on their way: that may be newer than they are. */
import { type LiveData, type LiveKind, on } from "../api/live";

/** So often is asked again at most, where what is told cannot be put into the answer. */
const TIMES = 4;

type How<T, K extends LiveKind> = {
  kind: K;
  ask: () => Promise<T>;
  /** The answer with what was told; it looks itself whether that is newer. */
  merge: (answer: T, news: LiveData<K>) => T;
  /** Whether something is told by which the host has to be asked again. */
  isMore?: (answer: T, news: LiveData<K>) => boolean;
};

/** Asks, and merges what is told of a kind until the answer is here. */
export async function withMeanwhile<T, K extends LiveKind>({ kind, ask, merge, isMore }: How<T, K>): Promise<T> {
  const told: LiveData<K>[] = [];
  const end = on(kind, (news) => told.push(news));
  try {
    let answer = await ask();
    for (let times = 1; times < TIMES && isMore && told.some((news) => isMore(answer, news)); times += 1) {
      answer = await ask();
    }
    return told.reduce(merge, answer);
  } finally {
    end();
  }
}
