//! Samples of a picture, 4:2:0.

/// Black, as brightness and both differences of colour (ITU-R BT.601).
pub(crate) const BLACK: [u8; 3] = [16, 128, 128];

/// A picture that is somebody else's: three planes, rows of which may be longer than the picture is wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameView<'a> {
    /// Samples across and down that are shown.
    pub(crate) size: (usize, usize),
    /// Brightness, blue and red, each with the length of its rows.
    pub(crate) planes: [(&'a [u8], usize); 3],
}

/// A picture of our own: no row is longer than the picture is wide.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Frame {
    size: (usize, usize),
    planes: [Vec<u8>; 3],
}

/// Samples of a side of the planes of colours.
const fn half(side: usize) -> usize {
    side.div_ceil(2)
}

/// The size of a plane: 0 is brightness.
pub(crate) const fn plane_size(plane: usize, (width, height): (usize, usize)) -> (usize, usize) {
    if plane == 0 { (width, height) } else { (half(width), half(height)) }
}

impl Frame {
    /// A picture of one colour.
    pub(crate) fn new(size: (usize, usize), colour: [u8; 3]) -> Self {
        let mut frame = Frame::default();
        frame.resize(size, colour);
        frame
    }

    /// Another size, and all of it one colour; its memory is kept.
    pub(crate) fn resize(&mut self, size: (usize, usize), colour: [u8; 3]) {
        self.size = size;
        for (number, (plane, colour)) in self.planes.iter_mut().zip(colour).enumerate() {
            let (width, height) = plane_size(number, size);
            plane.clear();
            plane.resize(width * height, colour);
        }
    }

    /// Samples across and down.
    pub(crate) const fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Becomes a copy of a picture, whose planes have the rows that its size says; `false`, and nothing is changed,
    /// when they have not.
    #[cfg_attr(not(feature = "openh264"), allow(dead_code, reason = "only a decoder gives one"))]
    pub(crate) fn copy(&mut self, from: &FrameView<'_>) -> bool {
        let fits = |number: usize| {
            let (width, height) = plane_size(number, from.size);
            let needed = height.saturating_sub(1).saturating_mul(from.planes[number].1) + width;
            from.planes[number].1 >= width && from.planes[number].0.len() >= needed
        };
        if from.size.0 == 0 || from.size.1 == 0 || !(0..3).all(fits) {
            return false;
        }
        self.size = from.size;
        for (number, plane) in self.planes.iter_mut().enumerate() {
            let (width, height) = plane_size(number, from.size);
            let (octets, stride) = from.planes[number];
            plane.clear();
            let rows = octets.chunks(stride).take(height);
            rows.for_each(|row| plane.extend_from_slice(row.get(..width).unwrap_or_default()));
        }
        true
    }

    /// To be read.
    pub(crate) fn view(&self) -> FrameView<'_> {
        let [luma, blue, red] = &self.planes;
        let (wide, _) = plane_size(1, self.size);
        FrameView { size: self.size, planes: [(luma, self.size.0), (blue, wide), (red, wide)] }
    }

    /// A plane and the length of its rows.
    pub(crate) fn plane_mut(&mut self, number: usize) -> (&mut [u8], usize) {
        let (width, _) = plane_size(number, self.size);
        (self.planes.get_mut(number).map(Vec::as_mut_slice).unwrap_or_default(), width)
    }

    /// Fills a part with one colour; what is outside of the picture is left out.
    pub(crate) fn fill(&mut self, area: crate::layout::Area, colour: [u8; 3]) {
        for (number, colour) in colour.into_iter().enumerate() {
            let part = if number == 0 { 1 } else { 2 };
            let (plane, stride) = self.plane_mut(number);
            let (left, width) = (area.left / part, area.width / part);
            let rows =
                plane.chunks_mut(stride.max(1)).skip(area.top / part).take(area.height / part);
            for row in rows {
                let end = (left + width).min(row.len());
                row.get_mut(left..end).unwrap_or_default().fill(colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Area;

    #[test]
    fn a_copy_leaves_out_what_stands_behind_rows() {
        let luma = [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9];
        let (blue, red) = ([1, 2, 99, 3, 4], [5, 6, 99, 7, 8]);
        let view = FrameView { size: (3, 3), planes: [(&luma, 4), (&blue, 3), (&red, 3)] };
        let mut frame = Frame::default();
        assert!(frame.copy(&view));
        assert_eq!(frame.size(), (3, 3));
        assert_eq!(frame.planes[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(
            (&frame.planes[1][..], &frame.planes[2][..]),
            (&[1, 2, 3, 4][..], &[5, 6, 7, 8][..])
        );
        // Copied once more it is the same; too few samples, or none, are no picture.
        let mut again = Frame::default();
        assert!(again.copy(&frame.view()));
        assert_eq!(again, frame);
        let short = FrameView { size: (3, 3), planes: [(&luma[..10], 4), (&blue, 3), (&red, 3)] };
        assert!(!again.copy(&short));
        let narrow = FrameView { planes: [(&luma, 2), (&blue, 3), (&red, 3)], ..view };
        assert!(!again.copy(&narrow));
        assert!(!again.copy(&FrameView { size: (0, 3), ..view }));
        assert_eq!(again, frame);
    }

    #[test]
    fn a_part_is_filled_in_all_planes() {
        let mut frame = Frame::new((6, 4), BLACK);
        frame.fill(Area { left: 2, top: 2, width: 2, height: 2 }, [200, 10, 20]);
        let [luma, blue, red] = &frame.planes;
        assert_eq!(luma.iter().filter(|sample| **sample == 200).count(), 4);
        assert_eq!((luma[14], luma[15], luma[20], luma[21]), (200, 200, 200, 200));
        assert_eq!((blue[4], red[4]), (10, 20));
        assert_eq!(blue.iter().chain(red).filter(|sample| **sample != 128).count(), 2);
        // Over the edge there is nothing.
        frame.fill(Area { left: 4, top: 2, width: 20, height: 20 }, [1, 2, 3]);
        frame.fill(Area { left: 40, top: 40, width: 2, height: 2 }, [1, 2, 3]);
        assert_eq!(frame.planes[0].iter().filter(|sample| **sample == 1).count(), 4);
    }
}
