//! Why a stack failed, in one sentence.
