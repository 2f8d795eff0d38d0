//! Leaving frames: at their end, at `break` and `continue`, and after an error.

use super::frames::Frame;
use super::{Flow, Machine};
use crate::error::Fault;

impl<'a> Machine<'a> {
    /// Leaves all frames above `depth`, giving back what they hold.
    pub(crate) fn unwind(&mut self, depth: usize) {
        while self.frames.len() > depth {
            let Some(frame) = self.frames.pop() else {
                return;
            };
            self.leave(frame);
        }
    }

    /// Gives back what a frame holds: its variables, its place in the loop stack, the code around a partial.
    fn leave(&mut self, frame: Frame<'a>) {
        match frame {
            Frame::For { mark, .. } => {
                self.depth = self.depth.saturating_sub(1);
                let context = self.context();
                context.loops.pop();
                context.inner.truncate(mark);
            }
            Frame::Table { mark, .. } => {
                self.depth = self.depth.saturating_sub(1);
                self.context().inner.truncate(mark);
            }
            Frame::Include(call) => {
                self.depth = self.depth.saturating_sub(1);
                self.context().inner.truncate(call.mark);
                if call.running {
                    self.context().template_name = call.template_name.clone();
                    self.return_to(*call);
                }
            }
            Frame::Render(call) => {
                self.depth = self.depth.saturating_sub(1);
                self.contexts.pop();
                self.return_to(*call);
            }
            Frame::Changed { start } => self.changed(start),
            Frame::Mustache(call) => self.leave_mustache(*call),
            Frame::Plain { parameters, inlines, .. } => {
                self.scope.parameters = parameters;
                self.scope.inlines = inlines;
            }
            Frame::Section(section) => self.scope = section.saved,
            Frame::Capture { .. } | Frame::Case { .. } | Frame::Stop => {}
        }
    }

    /// The end of an `ifchanged`: what it wrote stays only where it differs from the last time.
    fn changed(&mut self, start: usize) {
        let text: std::sync::Arc<str> = std::sync::Arc::from(self.out.get(start..).unwrap_or(""));
        let context = self.context();
        if context.changed.as_ref() == Some(&text) {
            self.out.truncate(start);
        } else {
            context.changed = Some(text);
        }
    }

    /// `break` and `continue`: leaves everything up to the loop around, wherever it is.
    pub(crate) fn interrupt(&mut self, go_on: bool) -> Result<Flow, Fault> {
        let mut flow = Flow::Next;
        loop {
            match self.frames.last() {
                None => return Ok(Flow::Done),
                Some(Frame::For { spec, .. } | Frame::Table { spec, .. }) => {
                    let next = self.code.loops.get(*spec as usize).map_or(0, |l| l.next as usize);
                    if go_on {
                        self.pc = next;
                        return Ok(flow);
                    }
                    if matches!(self.frames.last(), Some(Frame::Table { .. })) {
                        self.out.push_str("</td></tr>\n");
                    }
                    let depth = self.frames.len() - 1;
                    self.unwind(depth);
                    self.pc = next + 1;
                    return Ok(flow);
                }
                Some(Frame::Render(_)) => return self.end_of_code(),
                Some(Frame::Stop) => return Ok(Flow::Done),
                Some(Frame::Capture { .. }) => self.capture_end()?,
                Some(frame) => {
                    if matches!(frame, Frame::Include(_)) {
                        flow = Flow::Switch;
                    }
                    let depth = self.frames.len() - 1;
                    self.unwind(depth);
                }
            }
        }
    }
}
